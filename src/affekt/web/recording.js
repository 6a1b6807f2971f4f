// One recording in the page, from the microphone or a file: its sound, what was recognised, and where it stands.

import { colours } from "./colours.js";
import { Mel } from "./mel.js";
import { RATE, Samples } from "./samples.js";
import { wav } from "./wav.js";

export const SCHEMA = "affekt.predictions/2";
/** Larger files are not decoded in the page: 16-bit mono at 16 kHz would still fill the memory of a phone. */
const DRAWN = 300e6;

export class Recording {
  samples = null;
  /** The samples of each channel, where channels are told apart. */
  channels = null;
  mel = null;
  state = "waiting"; // live, finishing, waiting, running, done, failed
  progress = null;
  reason = "";
  model = "";
  labels = [];
  palette = {};
  segments = [];
  windows = [];
  speech = [];
  unstable = null;
  summary = null;
  /** Of each person or channel, where they are told apart. */
  summaries = {};
  warnings = [];
  #length = 0;
  #address = null;
  #plain = false; // whether the address is the decoded sound

  constructor(name, { file = null, lost = false } = {}) {
    this.name = name;
    this.file = file;
    this.lost = lost; // whether the settings leave emotions out
    if (!file) this.hear(new Samples());
  }

  get duration() {
    return this.samples?.duration || this.#length;
  }

  /** Where the sound can be played from, or null. */
  get address() {
    if (!this.#address && (this.file || (this.samples?.length && this.state !== "live"))) this.#address = URL.createObjectURL(this.file ?? this.wav());
    return this.#address;
  }

  hear(samples) {
    this.samples = samples;
    this.mel = new Mel(samples);
  }

  /** What was spoken here becomes a file that can be sent again. */
  asFile() {
    this.file ??= new File([this.wav()], `${this.name}.wav`, { type: "audio/wav" });
    return this.file;
  }

  /** What the server received, as a WAV file. */
  wav() {
    return wav(this.samples.slice(0), RATE);
  }

  /** When the browser cannot play the file itself: its decoded sound, if there is any. Tells whether there is. */
  playDecoded() {
    if (this.#plain || !this.file || !this.samples) return false;
    URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(this.wav());
    this.#plain = true;
    return true;
  }

  nameLabels(labels) {
    this.labels = labels;
    this.palette = colours(labels);
  }

  /** Take one of the file format's `results`. */
  take(result) {
    this.nameLabels(result.labels);
    this.#length = result.duration;
    this.model = result.model;
    this.segments = result.segments;
    this.summary = result.summary;
    this.summaries = result.summaries ?? {};
    this.warnings = result.warnings ?? [];
    this.speech = result.segments;
    [this.windows, this.unstable] = [[], null];
    this.state = "done";
  }

  /** Take one event of a live stream. */
  event(event) {
    const { type, time, stable, ...fields } = event;
    if (type === "speech_start") this.speech.push({ start: fields.start });
    else if (type === "speech_end") this.#close(fields);
    else if (type === "partial") this.windows.push(fields);
    else if (type === "segment" && !stable) this.unstable = { ...fields, unstable: true };
    else if (type === "segment") this.#settle(fields);
    else if (type === "summary") [this.unstable, this.summary] = [null, fields.summary ?? fields];
  }

  /** Forget what was recognised: the stream begins anew. */
  restart() {
    [this.segments, this.windows, this.speech, this.unstable, this.summary] = [[], [], [], null, null];
  }

  /** As the file format has it. */
  result() {
    const { name, model, duration, labels, summary, warnings } = this;
    // What was left out has no answer in any format.
    const segments = this.segments.map((s) => (s.skipped ? { ...s, label: null, confidence: 0, scores: {} } : s));
    return { source: name, model, duration: Math.round(duration * 1000) / 1000, labels, summary, segments, warnings };
  }

  /** Decode the file in the page, for drawing; files that the browser cannot read stay without. */
  async decode() {
    if (this.file.size > DRAWN) return;
    try {
      const context = new OfflineAudioContext(1, 1, RATE);
      const sound = await context.decodeAudioData(await this.file.arrayBuffer());
      this.hear(Samples.of(mono(sound)));
      const isApart = this.fields?.channel === "each" && sound.numberOfChannels > 1;
      this.channels = isApart ? Array.from({ length: sound.numberOfChannels }, (_, c) => Samples.of(sound.getChannelData(c))) : null;
    } catch {
      this.samples = null;
    }
  }

  #settle(segment) {
    this.unstable = null;
    this.segments = [...this.segments, segment];
    // The last window stands for what little came behind it.
    const window = this.windows.at(-1);
    if (window && window.start >= segment.start && window.end < segment.end) window.end = segment.end;
  }

  #close({ start, end }) {
    this.speech = this.speech.filter((s) => s.end !== undefined);
    // Speech that ends where it starts was none.
    if (end > start) this.speech.push({ start, end });
  }
}

function mono(buffer) {
  const mean = new Float32Array(buffer.getChannelData(0));
  for (let c = 1; c < buffer.numberOfChannels; c++) buffer.getChannelData(c).forEach((x, i) => (mean[i] += x));
  return buffer.numberOfChannels > 1 ? mean.map((x) => x / buffer.numberOfChannels) : mean;
}
