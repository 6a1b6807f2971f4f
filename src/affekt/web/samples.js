// A recording in the page: mono, 16 kHz, 16 bit (what the server hears), growing while one speaks.

export const RATE = 16000;
/** Samples behind one entry of the envelope: 10 ms. */
export const STEP = 160;

export class Samples {
  #data;
  #low = new Int16Array(1024);
  #high = new Int16Array(1024);
  #measured = 0;

  constructor(capacity = RATE * 30) {
    this.#data = new Int16Array(capacity);
    this.length = 0;
  }

  /** From float samples in [-1, 1], already at 16 kHz. */
  static of(signal) {
    const samples = new Samples(signal.length);
    samples.append(signal);
    return samples;
  }

  get duration() {
    return this.length / RATE;
  }

  /** Take float samples in [-1, 1]; louder is clipped. */
  append(signal) {
    if (this.length + signal.length > this.#data.length) this.#data = grown(this.#data, this.length + signal.length);
    for (let i = 0; i < signal.length; i++) {
      this.#data[this.length + i] = Math.max(-32768, Math.min(32767, Math.round(signal[i] * 32768)));
    }
    this.length += signal.length;
    this.#measure();
  }

  /** A copy of samples [start, end): int16. */
  slice(start, end = this.length) {
    return this.#data.slice(start, Math.min(end, this.length));
  }

  /** The same without a copy; valid until more is appended. */
  view(start, end) {
    return this.#data.subarray(Math.max(0, start), Math.min(end, this.length));
  }

  /** Lowest and highest sample of [start, end), in [-1, 1]; from the envelope where that is exact enough. */
  extent(start, end) {
    let low = 32767;
    let high = -32768;
    if (end - start < 2 * STEP) {
      for (const x of this.view(start, end)) [low, high] = [Math.min(low, x), Math.max(high, x)];
    } else {
      const last = Math.min(Math.ceil(end / STEP), this.#measured);
      for (let i = Math.floor(start / STEP); i < last; i++) {
        if (this.#low[i] < low) low = this.#low[i];
        if (this.#high[i] > high) high = this.#high[i];
      }
    }
    return low > high ? [0, 0] : [low / 32768, high / 32768];
  }

  /** Root mean square in dB full scale and the share of clipped samples, of seconds [start, end). */
  level(start, end) {
    const part = this.view(Math.round(start * RATE), Math.round(end * RATE));
    let sum = 0;
    let clipped = 0;
    for (const x of part) {
      sum += x * x;
      if (x >= 32760 || x <= -32760) clipped++;
    }
    if (!part.length) return { rms: -Infinity, clipped: 0 };
    return { rms: 10 * Math.log10(sum / part.length / 32768 ** 2), clipped: clipped / part.length };
  }

  #measure() {
    const frames = Math.floor(this.length / STEP);
    if (frames > this.#low.length) {
      this.#low = grown(this.#low, frames);
      this.#high = grown(this.#high, frames);
    }
    for (let i = this.#measured; i < frames; i++) {
      let low = 32767;
      let high = -32768;
      for (let j = i * STEP; j < (i + 1) * STEP; j++) {
        const x = this.#data[j];
        if (x < low) low = x;
        if (x > high) high = x;
      }
      this.#low[i] = low;
      this.#high[i] = high;
    }
    this.#measured = frames;
  }
}

function grown(array, needed) {
  const larger = new Int16Array(Math.max(needed, 2 * array.length));
  larger.set(array);
  return larger;
}
