// Any rate to 16 kHz, in pieces: a windowed sinc, for browsers that refuse an AudioContext of 16 kHz.

const ZEROS = 24; // zero crossings of the sinc on each side
const STEPS = 512; // table entries between two zero crossings
const BETA = 9; // Kaiser window: about 90 dB
// The cutoff lies at 0.94 of the lower Nyquist frequency, so that the slope ends near it.
const ROLLOFF = 0.94;

export class Resampler {
  #table = kernel();
  #buffer = new Float32Array(0);
  #start; // input index of buffer[0]
  #produced = 0;

  constructor(from, to = 16000) {
    this.step = from / to;
    this.scale = ROLLOFF * Math.min(1, to / from); // cutoff in cycles per two input samples
    this.reach = Math.ceil(ZEROS / this.scale);
    this.#start = -this.reach;
    this.#buffer = new Float32Array(this.reach); // silence before the beginning
  }

  /** Take the next float samples, give those at the new rate that are complete. */
  feed(signal) {
    const joined = new Float32Array(this.#buffer.length + signal.length);
    joined.set(this.#buffer);
    joined.set(signal, this.#buffer.length);
    const end = this.#start + joined.length;
    const count = Math.max(0, Math.ceil((end - this.reach) / this.step) - this.#produced);
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++) out[i] = this.#at((this.#produced + i) * this.step, joined);
    this.#produced += count;
    const keep = Math.max(0, Math.floor(this.#produced * this.step) - this.reach - this.#start);
    this.#buffer = joined.slice(keep);
    this.#start += keep;
    return out;
  }

  #at(time, data) {
    const first = Math.max(this.#start, Math.ceil(time - this.reach));
    const last = Math.min(this.#start + data.length - 1, Math.floor(time + this.reach));
    let sum = 0;
    for (let n = first; n <= last; n++) {
      const x = Math.abs(n - time) * this.scale * STEPS;
      const i = x | 0;
      if (i >= this.#table.length - 1) continue;
      sum += data[n - this.#start] * (this.#table[i] + (x - i) * (this.#table[i + 1] - this.#table[i]));
    }
    return sum * this.scale;
  }
}

function kernel() {
  const table = new Float64Array(ZEROS * STEPS + 1);
  for (let i = 0; i < table.length; i++) {
    const x = i / STEPS;
    const sinc = i ? Math.sin(Math.PI * x) / (Math.PI * x) : 1;
    table[i] = (sinc * bessel(BETA * Math.sqrt(1 - (x / ZEROS) ** 2))) / bessel(BETA);
  }
  return table;
}

function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}
