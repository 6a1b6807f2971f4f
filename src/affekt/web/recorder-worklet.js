// On the audio thread: mixes to mono, brings to 16 kHz, hands over 100 ms at a time.

import { Resampler } from "./resampler.js";

const PIECE = 1600;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = sampleRate === 16000 ? null : new Resampler(sampleRate);
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
    this.stopped = false;
    this.port.onmessage = () => this.stop();
  }

  stop() {
    if (!this.stopped) this.port.postMessage({ piece: this.piece.slice(0, this.filled), last: true });
    this.stopped = true;
  }

  process([input]) {
    if (this.stopped) return false;
    if (input.length) this.take(this.resampler ? this.resampler.feed(mono(input)) : mono(input));
    return true;
  }

  take(signal) {
    for (const x of signal) {
      this.piece[this.filled++] = x;
      if (this.filled < PIECE) continue;
      this.port.postMessage({ piece: this.piece, last: false }, [this.piece.buffer]);
      this.piece = new Float32Array(PIECE);
      this.filled = 0;
    }
  }
}

function mono(channels) {
  if (channels.length === 1) return channels[0];
  const mean = new Float32Array(channels[0].length);
  for (const channel of channels) for (let i = 0; i < mean.length; i++) mean[i] += channel[i] / channels.length;
  return mean;
}

registerProcessor("recorder", Recorder);
