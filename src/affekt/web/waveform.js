// The waveform of a stretch of time: lowest to highest sample of every pixel, each channel in a lane of its own.

import { paper, tint } from "./canvas.js";
import { RATE } from "./samples.js";

export function drawWaveform(canvas, channels, { from, to, speech }) {
  const sheet = paper(canvas);
  if (!sheet) return;
  const { context, width, height } = sheet;
  const high = height / channels.length;
  const spoken = spokenPixels(speech, { from, to, width });
  channels.forEach((samples, i) => drawChannel(context, samples, { from, to, width, spoken, middle: (i + 0.5) * high, half: high / 2 - 2 }));
}

function drawChannel(context, samples, { from, to, width, spoken, middle, half }) {
  const perPixel = ((to - from) * RATE) / width;
  context.fillStyle = tint("line");
  context.fillRect(0, middle - 0.5, width, 1);
  if (!samples) return;
  const [voice, rest] = [tint("wave"), tint("wave-quiet")];
  for (let x = 0; x < width; x++) {
    const start = Math.round(from * RATE + x * perPixel);
    if (start >= samples.length) break;
    const [low, top] = samples.extent(start, Math.max(start + 1, Math.round(start + perPixel)));
    context.fillStyle = spoken[x] ? voice : rest;
    const upper = middle - shaped(top) * half;
    context.fillRect(x, upper, 1, Math.max(1, middle - shaped(low) * half - upper));
  }
}

/** Which pixels' middles lie in speech. */
function spokenPixels(speech, { from, to, width }) {
  const spoken = new Uint8Array(Math.ceil(width));
  const at = (time) => ((time - from) / (to - from)) * width - 0.5;
  for (const { start, end = Infinity } of speech) {
    if (end > from && start < to) spoken.fill(1, Math.max(0, Math.ceil(at(start))), Math.max(0, Math.min(spoken.length, Math.ceil(at(end)))));
  }
  return spoken;
}

// Speech is quiet beside full scale: a root makes it visible and keeps its order.
const shaped = (x) => Math.sign(x) * Math.abs(x) ** 0.6;
