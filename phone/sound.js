// Bytes of a recording to mono samples at 16 kHz, as Python has them (speech/decode.py, channels.py, audio.py).

export const RATE = 16000;
/** Hertz that a recording may have: check_rate of speech/decode.py. */
const [LOWEST, HIGHEST] = [4000, 768000];
/** How loud each channel of 5.1 and 7.1 is in a mix to one: WEIGHTS and USUAL of speech/channels.py. */
const SURROUND = { 6: [0.5, 0.5, 0.707, 0, 0.354, 0.354], 8: [0.5, 0.5, 0.707, 0, 0.354, 0.354, 0.354, 0.354] };
/** Beyond this, samples are no sound: _ABSURD of speech/decode.py. */
const ABSURD = 1e12;

/** Where a WAV file has its samples, and in which form; null for any other file, and for forms that are not read here. */
export function wavForm(bytes) {
  const view = new DataView(bytes);
  if (view.byteLength < 12 || word(view, 0) !== "RIFF" || word(view, 8) !== "WAVE") return null;
  let form = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const [name, start, size] = [word(view, at), at + 8, view.getUint32(at + 4, true)];
    if (name === "fmt " && start + 16 <= view.byteLength) form = readForm(view, start);
    // A file that is cut short has fewer samples than it says.
    if (name === "data") return form && { ...form, start, size: Math.min(size, view.byteLength - start) };
    at = start + size + (size % 2);
  }
  return null;
}

function readForm(view, at) {
  const [kind, channels, rate, bits] = [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true), view.getUint16(at + 14, true)];
  // The extensible form names the kind of its samples further behind.
  const actual = kind === 0xfffe && at + 26 <= view.byteLength ? view.getUint16(at + 24, true) : kind;
  const type = { 1: "pcm", 3: "float" }[actual] + bits;
  return type in READERS && channels ? { type, channels, rate, width: bits / 8 } : null;
}

const READERS = {
  pcm8: (view, at) => (view.getUint8(at) - 128) / 128,
  pcm16: (view, at) => view.getInt16(at, true) / 32768,
  pcm24: (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8388608,
  pcm32: (view, at) => view.getInt32(at, true) / 2147483648,
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/** The mono signal and the rate of a WAV file that has a form: its channels are mixed as they are read, to save memory. */
export function readWav(bytes) {
  const { type, channels, rate, width, start, size } = wavForm(bytes);
  const [view, read, weights] = [new DataView(bytes), READERS[type], shares(channels)];
  const signal = new Float32Array(Math.floor(size / (channels * width)));
  for (let i = 0, at = start; i < signal.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++, at += width) sum += weights[c] * read(view, at);
    signal[i] = sum;
  }
  return { signal, rate };
}

const word = (view, at) => String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));

/** All channels (Float32Array each) in one, as players mix them. */
export function mixed(channels) {
  const weights = shares(channels.length);
  return channels[0].map((_, i) => channels.reduce((sum, channel, c) => sum + weights[c] * channel[i], 0));
}

function shares(count) {
  const weights = SURROUND[count] ?? Array(count).fill(1);
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/** A mono signal as the models take it, at 16 kHz. Throws an Error in words where it is no sound. */
export function prepared(signal, rate) {
  if (!signal.length) throw new Error("The file holds no samples. Copy or export it again.");
  if (rate < LOWEST || rate > HIGHEST) throw new Error(`The sampling rate is ${rate} Hz; allowed: ${LOWEST} to ${HIGHEST} Hz. Export it at 16000 Hz.`);
  const wrong = signal.findIndex((x) => !(Math.abs(x) < ABSURD));
  if (wrong >= 0) throw new Error(`The file holds NaN, infinite or absurd samples, the first at ${(wrong / rate).toFixed(3)} s. Export it again.`);
  return rate === RATE ? signal : resampled(signal, rate);
}

// soxr's quality HQ, which Python resamples with, is this windowed sinc: fitted to its impulse response, 48 kHz to 16 kHz
// agree to 1e-7 of the peak, 44.1 kHz to 1.4e-4. The cutoff is a share of the lower rate, the reach counts its periods.
const [CUTOFF, REACH, BETA] = [0.478436, 96.8334, 13.04006];

/** A signal at any rate at 16 kHz. */
export function resampled(signal, rate) {
  const [low, divisor] = [Math.min(rate, RATE), gcd(rate, RATE)];
  const [up, down] = [RATE / divisor, rate / divisor];
  const half = (REACH * rate) / low;
  const phases = new Array(up); // of one input sample: the kernel at its own distances, made when it is first needed
  const out = new Float32Array(Math.round((signal.length * RATE) / rate));
  for (let i = 0; i < out.length; i++) {
    const [place, phase] = [Math.floor((i * down) / up), (i * down) % up];
    const taps = (phases[phase] ??= kernel(phase / up, half, (2 * CUTOFF * low) / rate));
    const first = place + 1 - taps.length / 2;
    const [from, to] = [Math.max(0, -first), Math.min(taps.length, signal.length - first)];
    let sum = 0;
    for (let k = from; k < to; k++) sum += taps[k] * signal[first + k];
    out[i] = sum;
  }
  return out;
}

function kernel(shift, half, width) {
  const side = Math.ceil(half) + 1;
  return Float64Array.from({ length: 2 * side }, (_, k) => {
    const t = k + 1 - side - shift; // input samples from the output's place
    if (Math.abs(t) >= half) return 0;
    const x = Math.PI * width * t;
    return (width * (Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x) * bessel(BETA * Math.sqrt(1 - (t / half) ** 2))) / bessel(BETA);
  });
}

function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-14 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);
