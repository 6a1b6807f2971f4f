// The waveform of a stretch of time: lowest to highest sample of every pixel.

import { paper, tint } from "./canvas.js";
import { RATE } from "./samples.js";

export function drawWaveform(canvas, samples, { from, to, speech }) {
  const sheet = paper(canvas);
  if (!sheet) return;
  const { context, width, height } = sheet;
  const perPixel = ((to - from) * RATE) / width;
  const middle = height / 2;
  context.fillStyle = tint("line");
  context.fillRect(0, middle - 0.5, width, 1);
  if (!samples) return;
  const [voice, rest] = [tint("wave"), tint("wave-quiet")];
  for (let x = 0; x < width; x++) {
    const start = Math.round(from * RATE + x * perPixel);
    if (start >= samples.length) break;
    const [low, high] = samples.extent(start, Math.max(start + 1, Math.round(start + perPixel)));
    const time = from + ((x + 0.5) * (to - from)) / width;
    context.fillStyle = speech.some((s) => s.start <= time && time < (s.end ?? Infinity)) ? voice : rest;
    const top = middle - shaped(high) * (middle - 2);
    context.fillRect(x, top, 1, Math.max(1, middle - shaped(low) * (middle - 2) - top));
  }
}

// Speech is quiet beside full scale: a root makes it visible and keeps its order.
const shaped = (x) => Math.sign(x) * Math.abs(x) ** 0.6;
