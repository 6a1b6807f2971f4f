// The mel spectrogram of a stretch of time: one column per pixel, from frames that are computed once.

import { paper, tint } from "./canvas.js";
import { BANDS } from "./mel.js";
import { RATE, STEP } from "./samples.js";

const RANGE = 110; // in half decibels: what is 55 dB below the loudest is ground
/** Frames that are looked at for a column of many. */
const LOOKED = 4;
const sheetBehind = document.createElement("canvas");

export function drawSpectrogram(canvas, mel, { from, to }) {
  const sheet = paper(canvas);
  if (!sheet || !mel) return;
  const { context, width, height } = sheet;
  const frames = ((to - from) * RATE) / STEP;
  // A power of two keeps to the same frames while the view moves on.
  const stride = 2 ** Math.max(0, Math.floor(Math.log2(frames / width)));
  const first = Math.floor((from * RATE) / STEP / stride) * stride;
  const last = Math.min((to * RATE) / STEP, mel.samples.length / STEP - 1);
  const columns = Math.max(0, Math.floor((last - first) / stride) + 1);
  if (!columns) return;
  paint(mel, first, stride, columns);
  const scale = width / frames;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  const left = (first - (from * RATE) / STEP) * scale;
  context.drawImage(sheetBehind, 0, 0, columns, BANDS, left, 0, columns * stride * scale, height);
}

function paint(mel, first, stride, columns) {
  if (sheetBehind.width < columns || sheetBehind.height !== BANDS) {
    [sheetBehind.width, sheetBehind.height] = [Math.max(columns, 2 * sheetBehind.width), BANDS];
  }
  const context = sheetBehind.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(columns, BANDS);
  const frames = Array.from({ length: columns }, (_, i) => loudest(mel, first + i * stride, stride));
  const colour = ramp(Math.max(mel.loudest, 130));
  const pixels = new Uint32Array(image.data.buffer);
  for (let x = 0; x < columns; x++) {
    for (let band = 0; band < BANDS; band++) pixels[(BANDS - 1 - band) * columns + x] = colour[frames[x][band]];
  }
  context.putImageData(image, 0, 0);
}

/** The levels of a column: of `stride` frames from `first` on the loudest of a few. */
function loudest(mel, first, stride) {
  if (stride < LOOKED) return mel.frame(first);
  const last = Math.floor(mel.samples.length / STEP) - 1;
  const looked = Array.from({ length: LOOKED }, (_, i) => mel.frame(Math.min(last, first + Math.floor((i * stride) / LOOKED))));
  return looked[0].map((_, band) => Math.max(...looked.map((levels) => levels[band])));
}

let ramps = { key: "", table: null };

function ramp(loudest) {
  const stops = ["spectrum-0", "spectrum-1", "spectrum-2", "spectrum-3"].map(tint);
  const key = `${loudest} ${stops}`;
  if (ramps.key === key) return ramps.table;
  const colours = stops.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const bytes = new Uint8Array(256 * 4);
  for (let level = 0; level < 256; level++) {
    const place = Math.max(0, Math.min(1, (level - loudest + RANGE) / RANGE)) * (colours.length - 1);
    const i = Math.min(colours.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c++) bytes[4 * level + c] = colours[i][c] + (place - i) * (colours[i + 1][c] - colours[i][c]);
    bytes[4 * level + 3] = 255;
  }
  ramps = { key, table: new Uint32Array(bytes.buffer) };
  return ramps.table;
}
