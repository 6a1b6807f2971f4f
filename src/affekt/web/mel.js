// Mel spectrogram from the samples: 512 samples (32 ms, Hann) every 10 ms, 64 bands from 0 to 8 kHz (Slaney's scale).

import { RATE, STEP } from "./samples.js";

export const SIZE = 512;
export const BANDS = 64;
const HALF = SIZE / 2;

const HANN = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
const COS = Float32Array.from({ length: HALF }, (_, i) => Math.cos((2 * Math.PI * i) / SIZE));
const SIN = Float32Array.from({ length: HALF }, (_, i) => Math.sin((2 * Math.PI * i) / SIZE));
const REVERSED = Uint16Array.from({ length: SIZE }, (_, i) => parseInt(i.toString(2).padStart(9, "0").split("").reverse().join(""), 2));
const FILTERS = filters();

/** Power in dB of each band for SIZE int16 samples from `first` on; silence before and behind the signal. */
export function melFrame(samples, first, out = new Float32Array(BANDS)) {
  const power = powers(samples, first);
  for (let b = 0; b < BANDS; b++) {
    const { start, weights } = FILTERS[b];
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i] * power[start + i];
    out[b] = 10 * Math.log10(sum + 1e-10);
  }
  return out;
}

/** The levels of a recording's frames as bytes (0.5 dB each, from -100 dB on), computed when first asked for. */
export class Mel {
  #levels = new Uint8Array(BANDS * 1024);
  #known = new Uint8Array(1024);
  #frame = new Float32Array(BANDS);
  loudest = 0;

  constructor(samples) {
    this.samples = samples;
  }

  /** Bytes (BANDS,) of the frame that is centred at index * 10 ms. */
  frame(index) {
    if (index >= this.#known.length) this.#grow(index + 1);
    const at = index * BANDS;
    const levels = this.#levels.subarray(at, at + BANDS);
    if (this.#known[index]) return levels;
    melFrame(this.samples, index * STEP - HALF, this.#frame);
    for (let b = 0; b < BANDS; b++) {
      levels[b] = Math.max(0, Math.min(255, 2 * (this.#frame[b] + 100)));
      if (levels[b] > this.loudest) this.loudest = levels[b];
    }
    // The end of what is still growing changes.
    this.#known[index] = index * STEP + HALF <= this.samples.length ? 1 : 0;
    return levels;
  }

  #grow(frames) {
    const known = new Uint8Array(Math.max(frames, 2 * this.#known.length));
    known.set(this.#known);
    const levels = new Uint8Array(known.length * BANDS);
    levels.set(this.#levels);
    [this.#known, this.#levels] = [known, levels];
  }
}

const real = new Float32Array(SIZE);
const imaginary = new Float32Array(SIZE);
const spectrum = new Float32Array(HALF + 1);

function powers(samples, first) {
  imaginary.fill(0);
  const signal = samples.view(first, first + SIZE);
  const before = Math.max(0, -first);
  for (let i = 0; i < SIZE; i++) real[REVERSED[i]] = (HANN[i] * (signal[i - before] ?? 0)) / 32768;
  for (let size = 2; size <= SIZE; size *= 2) butterflies(size);
  for (let k = 0; k <= HALF; k++) spectrum[k] = real[k] ** 2 + imaginary[k] ** 2;
  return spectrum;
}

function butterflies(size) {
  const half = size / 2;
  const stride = SIZE / size;
  for (let start = 0; start < SIZE; start += size) {
    for (let j = 0; j < half; j++) {
      const [c, s, a, b] = [COS[j * stride], SIN[j * stride], start + j, start + j + half];
      const re = real[b] * c + imaginary[b] * s;
      const im = imaginary[b] * c - real[b] * s;
      real[b] = real[a] - re;
      imaginary[b] = imaginary[a] - im;
      real[a] += re;
      imaginary[a] += im;
    }
  }
}

function filters() {
  const toMel = (hz) => (hz < 1000 ? hz / (200 / 3) : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4));
  const toHertz = (mel) => (mel < 15 ? mel * (200 / 3) : 1000 * 6.4 ** ((mel - 15) / 27));
  const top = toMel(RATE / 2);
  const edges = Array.from({ length: BANDS + 2 }, (_, i) => toHertz((top * i) / (BANDS + 1)));
  return Array.from({ length: BANDS }, (_, b) => {
    const [low, centre, high] = edges.slice(b, b + 3);
    const all = Array.from({ length: HALF + 1 }, (_, k) => {
      const hz = (k * RATE) / SIZE;
      return (Math.max(0, Math.min((hz - low) / (centre - low), (high - hz) / (high - centre))) * 2) / (high - low);
    });
    const start = all.findIndex((w) => w > 0);
    if (start < 0) return { start: Math.round((centre * SIZE) / RATE), weights: [2 / (high - low)] };
    return { start, weights: all.slice(start, all.findLastIndex((w) => w > 0) + 1) };
  });
}
