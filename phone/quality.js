// How usable a stretch of speech is, and why not more: speech/quality.py and timeline/quality.py, with the same names.

const RATE = 16000;
const FRAME = 320; // 20 ms
const [SPARSE, WIDE] = [5, 512]; // every fifth frame has its spectrum taken, over this many samples
const BAND = 4; // bins of a band, 125 Hz
const DEPTH = 45; // decibels below the strongest band at which a band holds nothing
const [PAUSES, CORRECTION] = [0.2, 1.2];
const RANGE = 60; // decibels below the loudest frame that are silence
const [LOUD, FALL] = [20, 4];
const [WEAK, POOR] = [0.6, 0.8];

/** What is measured, in the order of the columns: its words, its bad and its good value, its rank. */
const MEASURES = [
  { name: "share", words: (x) => `mostly pauses: ${Math.round(100 * x)} % of it is speech`, bad: 0, good: 0.6, rank: 1 },
  { name: "seconds", words: (x) => `short: ${x.toFixed(1)} s`, bad: 0, good: 2, rank: 0 },
  { name: "snr", words: (x) => `noise or echo: the speech is ${Math.round(x)} dB above it`, bad: 0, good: 20, rank: 1 },
  { name: "clipped", words: (x) => `clipped: ${(100 * x).toFixed(x >= 0.01 ? 0 : 1)} % of the signal`, bad: 0.25, good: 0, rank: 1 },
  { name: "bandwidth", words: (x) => `narrow band: nothing above ${(x / 1000).toFixed(1)} kHz`, bad: 800, good: 6000, rank: 1 },
  { name: "decay", words: (x) => `reverberation: sounds die away by only ${Math.round(x)} dB a second`, bad: 25, good: 230, rank: 1 },
];

// --- timeline/quality.py: Rating -----------------------------------------------------------------

/** What each measure leaves of the quality, 0 to 1. */
const shares = (row) => MEASURES.map(({ bad, good }, i) => 1 - (1 - Math.min(1, Math.max(0, (row[i] - bad) / (good - bad)))) ** 2);

/** How usable each window is, from rows of measures. */
export const qualities = (table) => table.map((row) => shares(row).reduce((a, b) => a * b));

/** Why an answer is weak, in words; an empty text where signal and model are good. */
export function reasonOf(row, quality, unsure) {
  if (quality >= WEAK && !unsure) return "";
  const left = shares(row);
  if (quality >= WEAK && Math.min(...left) > POOR) return "the voice itself is ambiguous";
  const order = (i) => [left[i] >= 0.5 ? 1 : 0, left[i] < 0.5 ? MEASURES[i].rank : 0, left[i]];
  const isWorse = (a, b) => {
    const [x, y] = [order(a), order(b)];
    const at = x.findIndex((value, i) => value !== y[i]);
    return at >= 0 && x[at] < y[at];
  };
  const worst = left.reduce((found, _, i) => (isWorse(i, found) ? i : found), 0);
  return MEASURES[worst].words(row[worst]);
}

// --- speech/quality.py: window_measures ----------------------------------------------------------

/** The measures of `count` windows of `window` samples, one every `hop`; the last ones may be cut short. */
export function windowMeasures(signal, window, hop, count) {
  const frames = new Frames(signal);
  const size = Math.max(1, Math.floor(window / FRAME));
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * hop) / FRAME);
    if (start + size <= frames.count) return frames.measured(start, size);
    const left = Math.floor((Math.min(signal.length, i * hop + window) - i * hop) / FRAME);
    return left > 0 ? frames.measured(start, Math.min(left, frames.count - start)) : MEASURES.map(() => 0);
  });
}

/** Levels, peaks and spectra of a signal, once for all the windows that share them. */
class Frames {
  constructor(signal) {
    this.signal = signal;
    this.count = Math.floor(signal.length / FRAME);
    [this.levels, this.low, this.high] = [0, 0, 0].map(() => new Float64Array(this.count));
    for (let t = 0; t < this.count; t++) this.#frame(t);
    this.bands = [];
    for (let at = 0; at + WIDE <= signal.length; at += FRAME * SPARSE) this.bands.push(bandsOf(signal.subarray(at, at + WIDE)));
  }

  #frame(t) {
    let [sum, squares, low, high] = [0, 0, Infinity, -Infinity];
    for (let i = t * FRAME; i < (t + 1) * FRAME; i++) {
      const x = this.signal[i];
      sum += x;
      squares += x * x;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    this.levels[t] = 10 * Math.log10(Math.max(squares / FRAME - (sum / FRAME) ** 2, 1e-20));
    [this.low[t], this.high[t]] = [low, high];
  }

  /** Of the window of `size` frames that begins at `start`: in the order of MEASURES. */
  measured(start, size) {
    const [low, high] = [Math.min(...this.low.subarray(start, start + size)), Math.max(...this.high.subarray(start, start + size))];
    const seconds = (size * FRAME) / RATE;
    if (!(high > low)) return [0, seconds, 0, 0, 0, 0];
    const loudest = Math.max(...this.levels.subarray(start, start + size));
    const levels = this.levels.slice(start, start + size).map((x) => Math.max(x, loudest - RANGE));
    const ranked = levels.slice().sort();
    const [floor, top] = [ranked[Math.floor(PAUSES * (size - 1))], ranked[Math.floor(0.95 * (size - 1))]];
    const least = Math.max(top - 25, floor + Math.min(3, (top - floor) / 2));
    const spoken = Array.from(levels, (x) => x >= least);
    const share = spoken.filter(Boolean).length / size;
    return [share, seconds, ratio(ranked, floor), this.#clipped(start, size, low, high), this.#bandwidth(start, spoken), decay(levels, top, floor)];
  }

  /** Share of samples within 2.5 % of the swing from its ends. */
  #clipped(start, size, low, high) {
    const edge = 0.025 * (high - low);
    let stuck = 0;
    for (let t = start; t < start + size; t++) {
      if (this.high[t] < high - edge && this.low[t] > low + edge) continue;
      for (let i = t * FRAME; i < (t + 1) * FRAME; i++) if (this.signal[i] >= high - edge || this.signal[i] <= low + edge) stuck++;
    }
    return stuck / (size * FRAME);
  }

  /** Middle of the highest band that holds something in the frames of speech, in hertz. */
  #bandwidth(start, spoken) {
    if (!this.bands.length) return 0;
    const [first, count] = [Math.ceil(start / SPARSE), Math.max(1, Math.floor(spoken.length / SPARSE))];
    const power = new Float64Array(WIDE / 2 / BAND);
    for (let i = first; i < first + count; i++) {
      const taken = Math.min(i, this.bands.length - 1);
      // Counted from the end where it is negative, as numpy counts.
      if (spoken.at(Math.min(taken * SPARSE - start, spoken.length - 1))) this.bands[taken].forEach((x, b) => (power[b] += x));
    }
    const least = Math.max(...power) * 10 ** (-DEPTH / 10);
    const highest = power.findLastIndex((x) => x > least);
    return highest < 0 ? 0 : ((highest + 0.5) * BAND * RATE) / WIDE;
  }
}

/** Decibels of the speech above the floor, from levels in rising order: _ratio. */
function ratio(ranked, floor) {
  const power = ranked.reduce((sum, x) => sum + 10 ** (x / 10), 0) / ranked.length;
  return Math.min(50, Math.max(0, CORRECTION * 10 * Math.log10(Math.max(power / 10 ** (floor / 10) - 1, 1e-3))));
}

/** Decibels per second by which loud frames fall, the 95th percentile: _decay. */
function decay(levels, top, floor) {
  const falls = [];
  for (let t = 0; t + FALL < levels.length; t++) if (levels[t] > top - LOUD) falls.push(levels[t] - levels[t + FALL]);
  if (!falls.length) return 0;
  const fall = Float64Array.from(falls).sort()[Math.floor(0.95 * (falls.length - 1))];
  return Math.max(fall, 0) / Math.min(1, Math.max(0.1, (top - floor) / LOUD)) / ((FALL * FRAME) / RATE);
}

// --- the spectrum of 512 samples -----------------------------------------------------------------

const HANN = Float64Array.from({ length: WIDE }, (_, i) => Math.fround(0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WIDE)));
const COS = Float64Array.from({ length: WIDE / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / WIDE));
const SIN = Float64Array.from({ length: WIDE / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / WIDE));
const BITS = Math.log2(WIDE);
const REVERSED = Uint16Array.from({ length: WIDE }, (_, i) => parseInt(i.toString(2).padStart(BITS, "0").split("").reverse().join(""), 2));
const [real, imaginary] = [new Float64Array(WIDE), new Float64Array(WIDE)];

/** Power in bands of 125 Hz, without the mean: _bands. */
function bandsOf(samples) {
  const mean = samples.reduce((sum, x) => sum + x, 0) / WIDE;
  imaginary.fill(0);
  samples.forEach((x, i) => (real[REVERSED[i]] = (x - mean) * HANN[i]));
  for (let half = 1; half < WIDE; half *= 2) {
    for (let a = 0; a < WIDE; a++) {
      if (a & half) continue;
      const [b, turn] = [a + half, ((a % half) * WIDE) / 2 / half];
      const re = real[b] * COS[turn] + imaginary[b] * SIN[turn];
      const im = imaginary[b] * COS[turn] - real[b] * SIN[turn];
      [real[b], imaginary[b]] = [real[a] - re, imaginary[a] - im];
      [real[a], imaginary[a]] = [real[a] + re, imaginary[a] + im];
    }
  }
  const bands = new Float64Array(WIDE / 2 / BAND);
  for (let k = 1; k <= WIDE / 2; k++) bands[Math.floor((k - 1) / BAND)] += real[k] ** 2 + imaginary[k] ** 2;
  return bands;
}
