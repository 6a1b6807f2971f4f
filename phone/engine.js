// The engine: signal in pieces, segments out. Each part mirrors the Python that its comment names, with the same names and
// in the same order, and gives the same numbers (tests/test_phone.py). Where nothing else is said, positions are samples
// at 16 kHz. Running a network is asynchronous here, so what calls one is, too.

import { qualities, reasonOf, windowMeasures } from "./quality.js";

export const RATE = 16000;
const [HOP, WINDOW] = [320, 400];
/** Frames on either side that can change a frame's probability of speech. */
const CONTEXT = 31;
/** Samples that the front end needs to see one frame. */
const SHORTEST = 400;

/** ActivityOptions and StreamOptions, in seconds. */
export const OPTIONS = { on: 0.5, off: 0.3, shortestSpeech: 0.2, pause: 0.5, margin: 0.1, activityBlock: 20, block: 40, shortest: 1 };
/** For a microphone: speech is found sooner, the answers stay the same. */
export const LIVE = { ...OPTIONS, activityBlock: 0.4 };

// --- speech/frames.py: Buffer --------------------------------------------------------------------

/** The recent past of a signal: appended to at the end, forgotten from the start. */
class Buffer {
  #data = new Float32Array(2 * RATE);
  #start = 0;
  end = 0;

  append(signal) {
    const kept = this.end - this.#start;
    if (kept + signal.length > this.#data.length) {
      const larger = new Float32Array(2 * (kept + signal.length));
      larger.set(this.#data.subarray(0, kept));
      this.#data = larger;
    }
    this.#data.set(signal, kept);
    this.end += signal.length;
  }

  forget(before) {
    // Moving what is kept costs as much as it is long: not for every little piece.
    const gone = Math.min(before, this.end) - this.#start;
    if (gone < 4 * RATE) return;
    this.#data.copyWithin(0, gone, this.end - this.#start);
    this.#start += gone;
  }

  take(start, end) {
    return this.#data.slice(start - this.#start, end - this.#start);
  }
}

// --- speech/activity.py --------------------------------------------------------------------------

/** Finds speech in a signal that arrives in pieces; `score` gives a probability per 20 ms of a signal. */
export class Activity {
  #buffer = new Buffer();
  #scored = 0;
  #length = 0;

  constructor(score, options) {
    this.score = score;
    this.block = Math.max(1, Math.round((options.activityBlock * RATE) / HOP));
    this.machine = new Machine(options);
  }

  /** Take more signal; the regions [start, end) that ended. */
  async feed(signal) {
    this.#buffer.append(signal);
    this.#length += signal.length;
    const closed = [];
    while (this.#framesThere() >= this.#scored + this.block + CONTEXT) {
      closed.push(...(await this.#advance(this.block, this.#scored + this.block + CONTEXT)));
    }
    return closed;
  }

  /** The signal is over: the regions that were still open. */
  async flush() {
    const closed = [];
    for (let left; (left = this.#framesThere() - this.#scored) > 0; ) {
      closed.push(...(await this.#advance(Math.min(left, this.block), Math.min(this.#framesThere(), this.#scored + this.block + CONTEXT))));
    }
    return [...closed, ...this.machine.finish(this.#length)];
  }

  #framesThere() {
    return Math.max(0, Math.floor((this.#length - WINDOW) / HOP) + 1);
  }

  async #advance(count, end) {
    const first = Math.max(0, this.#scored - CONTEXT);
    const scores = await this.score(this.#buffer.take(first * HOP, (end - 1) * HOP + WINDOW));
    const skipped = this.#scored - first;
    this.#scored += count;
    this.#buffer.forget(Math.max(0, this.#scored - CONTEXT) * HOP);
    return this.machine.step(scores.subarray(skipped, skipped + count));
  }
}

/** Silence -> candidate -> speech -> maybe over -> silence: _Machine. */
class Machine {
  #now = 0;
  #start = null;
  #last = 0;
  #voiced = 0;
  #freeFrom = 0;

  constructor({ on, off, shortestSpeech, pause, margin }) {
    [this.on, this.off] = [on, off];
    [this.shortest, this.pause] = [Math.round((shortestSpeech * RATE) / HOP), Math.round((pause * RATE) / HOP)];
    this.margin = Math.round(margin * RATE);
  }

  /** The region in progress, from its start to where it reaches for sure; null in silence. */
  get growing() {
    return this.#start === null || this.#voiced < this.shortest ? null : [this.#begin(), this.#last * HOP];
  }

  /** No future region starts before this sample. */
  get earliest() {
    return this.growing?.[0] ?? Math.max(this.#freeFrom, (this.#start ?? this.#now) * HOP - this.margin);
  }

  step(scores) {
    const closed = [];
    for (const score of scores) {
      if (score >= (this.#start === null ? this.on : this.off)) {
        this.#start ??= this.#now;
        this.#voiced++;
        this.#last = this.#now + 1;
      } else if (this.#start !== null && this.#now - this.#last >= this.pause) closed.push(...this.#close(this.#now * HOP));
      this.#now++;
    }
    return closed;
  }

  finish(length) {
    return this.#start === null ? [] : this.#close(length);
  }

  #begin() {
    return Math.max(this.#freeFrom, this.#start * HOP - this.margin);
  }

  #close(limit) {
    const region = [this.#begin(), Math.min(limit, this.#last * HOP + this.margin)];
    const enough = this.#voiced >= this.shortest;
    [this.#start, this.#voiced] = [null, 0];
    if (!enough) return [];
    this.#freeFrom = region[1];
    return [region];
  }
}

// --- speech/stream.py ----------------------------------------------------------------------------

/** Emotions of a signal that arrives in pieces. `network(signal)` gives the logits of its windows, rows of k. */
export class Stream {
  #buffer = new Buffer();
  /** Takes the [start, end) of every region that is over: Listener of timeline/segments.py. */
  onRegion = () => {};
  /** Takes the answer of every hop; it always has a label. */
  onHop = () => {};

  constructor({ card, network, activity }, options = OPTIONS) {
    this.activity = new Activity(activity, options);
    this.reader = new RegionReader(card, network, options);
    this.reader.onHop = (hop) => this.onHop(hop);
    this.margin = Math.round(options.margin * RATE);
  }

  /** Seconds taken so far. */
  get position() {
    return this.#buffer.end / RATE;
  }

  /** Start of the speech in progress and how far it reaches for sure, in seconds; null where nobody speaks. */
  get growing() {
    return this.activity.machine.growing?.map((at) => at / RATE) ?? null;
  }

  /** What the last seconds of the speech in progress sound like, as if it ended here; null where nobody speaks. */
  async glance() {
    const { growing } = this.activity.machine;
    return growing && this.reader.glance(growing, this.#buffer);
  }

  /** Take the next samples, mono at 16 kHz; the segments that became final. */
  async feed(signal) {
    const done = [];
    for (let start = 0; start < signal.length; start += RATE) {
      const part = signal.subarray(start, start + RATE);
      this.#buffer.append(part);
      done.push(...(await this.#finish(await this.activity.feed(part))));
      const { growing } = this.activity.machine;
      if (growing) done.push(...(await this.reader.grow(growing, this.#buffer)));
      this.#buffer.forget(this.#neededFrom());
    }
    return done;
  }

  /** The signal is over: the segments that were still open. */
  async flush() {
    return this.#finish(await this.activity.flush());
  }

  #neededFrom() {
    const [{ growing, earliest }, needed] = [this.activity.machine, this.reader.neededFrom];
    const before = (CONTEXT + 1) * HOP + this.margin;
    return growing === null || needed === null ? earliest - before : Math.min(needed, growing[1] - before);
  }

  async #finish(regions) {
    const done = [];
    for (const region of regions) {
      done.push(...(await this.reader.close(region, this.#buffer)));
      this.onRegion(region);
    }
    return done;
  }
}

/** Runs the network over a region of speech as it grows, piece by piece: _RegionReader. */
class RegionReader {
  #region = null;

  constructor(card, network, options) {
    const { hop, window, context, block = 0 } = card.input;
    Object.assign(this, { card, network, hop, window, context, block });
    this.windowsAtOnce = Math.max(1, Math.round((options.block * RATE) / hop));
    this.shortest = Math.max(1, Math.ceil((options.shortest * RATE) / hop));
  }

  /** First sample of the region in progress that is still to be read; null between regions. */
  get neededFrom() {
    return this.#region && this.#readFrom(this.#region.start, this.#region.count);
  }

  async grow([start, end], buffer) {
    this.#region ??= new Region(start, this.card, this);
    const [state, step, done] = [this.#region, Math.max(1, Math.floor(this.block / this.hop)), []];
    for (;;) {
      let last = Math.floor((state.count + this.windowsAtOnce - 1) / step) * step;
      if (last < state.count) last += step;
      const reached = this.#readTo(state.start, last);
      if (reached > end) return done;
      done.push(...(await this.#read(state, buffer, reached, last - state.count + 1)));
    }
  }

  async close(region, buffer) {
    const done = await this.grow(region, buffer);
    const state = this.#region;
    this.#region = null;
    const left = this.#windowCount(region[1] - region[0]) - state.count;
    if (left > 0) done.push(...(await this.#read(state, buffer, region[1], left)));
    return [...done, ...state.finish(region[1])];
  }

  /** The last window of a region in progress. */
  async glance([start, end], buffer) {
    const first = Math.max(start, end - this.window);
    // Of a model of blocks the window is one.
    const before = this.block ? 0 : Math.ceil(this.context / this.hop);
    const skipped = Math.min(before, Math.floor((first - start) / this.hop));
    const signal = buffer.take(first - skipped * this.hop, end);
    if (signal.length < SHORTEST) return null;
    const logits = (await this.network(signal)).slice(skipped, skipped + 1);
    return answer(this.card, first, end, this.#rows(logits, signal.subarray(skipped * this.hop))[0]);
  }

  /** In whole hops, or windows would fall between ours. */
  #readFrom(start, window) {
    if (this.block) return start + Math.floor((window * this.hop) / this.block) * this.block;
    return start + Math.max(0, window - Math.ceil(this.context / this.hop)) * this.hop;
  }

  /** The sample up to which a region must go on, or be over, for a window to be final. */
  #readTo(start, window) {
    const end = window * this.hop + this.window;
    return start + (this.block ? Math.ceil(end / this.block) * this.block : end) + this.context;
  }

  /** Windows that lie in a region whole, and one more that reaches its end. */
  #windowCount(samples) {
    return samples < SHORTEST ? 0 : 1 + Math.max(0, Math.ceil((samples - this.window) / this.hop));
  }

  async #read(state, buffer, end, count) {
    const first = state.start + state.count * this.hop;
    const start = this.#readFrom(state.start, state.count);
    const signal = buffer.take(start, end);
    const skipped = (first - start) / this.hop;
    const logits = (await this.network(signal)).slice(skipped, skipped + count);
    if (logits.length < count) throw new Error(`The model ${this.card.name} gave ${logits.length} windows of ${count}.`);
    return state.add(this.#rows(logits, signal.subarray(first - start)), end);
  }

  /** Scores, quality and measures of windows: rows of k + 1 + m. */
  #rows(logits, signal) {
    const measures = windowMeasures(signal, this.window, this.hop, logits.length);
    const found = qualities(measures);
    return logits.map((row, i) => [...softmax(row, this.card.temperature), found[i], ...measures[i]]);
  }
}

/** softmax of models/onnx.py. */
export function softmax(logits, temperature) {
  const scaled = Array.from(logits, (x) => x / temperature);
  const top = Math.max(...scaled);
  const raised = scaled.map((x) => Math.exp(x - top));
  const total = raised.reduce((a, b) => a + b);
  return raised.map((x) => x / total);
}

// --- timeline/segments.py ------------------------------------------------------------------------

/** A row of a stretch as an answer: Decision.prediction, in the fields of the file format. */
function answer({ labels, threshold }, start, end, row) {
  const k = labels.length;
  const [scores, quality] = [row.slice(0, k), Math.min(1, Math.max(0, row[k]))];
  const confidence = Math.max(...scores);
  const best = labels[scores.indexOf(confidence)];
  const unsure = confidence < threshold;
  return {
    start: start / RATE,
    end: end / RATE,
    label: unsure ? null : best,
    best,
    confidence,
    scores: Object.fromEntries(labels.map((label, i) => [label, scores[i]])),
    modality: "speech",
    quality,
    threshold,
    reason: reasonOf(row.slice(k + 1), quality, unsure),
  };
}

/** A stretch of hops, as the sum of their rows times their length: _Segment. */
class Segment {
  constructor(start, end, sum, hops = 1) {
    Object.assign(this, { start, end, sum, hops });
  }

  join(later) {
    [this.end, this.hops, this.sum] = [later.end, this.hops + later.hops, this.sum.map((x, i) => x + later.sum[i])];
  }
}

/** Windows of one region in, segments out. */
class Region {
  count = 0;
  #rows = [];
  #hops = 0;
  #current = null; // the segment in progress
  #change = null; // after it a change that has not lasted yet

  constructor(start, card, { shortest, onHop }) {
    Object.assign(this, { start, card, shortest, onHop, hop: card.input.hop });
    // Windows.weights: what a window counts for each of the hops that it covers, most in its middle.
    const reach = Math.ceil(card.input.window / this.hop);
    this.weights = Array.from({ length: reach }, (_, i) => Math.sin((Math.PI * (i + 0.5)) / reach) ** 2);
  }

  add(rows, end) {
    const done = [];
    for (const row of rows) {
      this.#rows = [...this.#rows, row].slice(-this.weights.length);
      this.count++;
      done.push(...this.#nextHop(0, end));
    }
    return done;
  }

  finish(end) {
    const done = [];
    for (let age = 1; this.#rows.length && this.start + this.#hops * this.hop < end; age++) done.push(...this.#nextHop(age, end));
    if (!this.#current) return done;
    if (this.#change) this.#current.join(this.#change);
    return [...done, this.#answer(this.#current)];
  }

  #nextHop(age, end) {
    const newest = this.#rows.length - 1;
    const weights = this.#rows.map((_, i) => this.weights[Math.min(newest - i + age, this.weights.length - 1)]);
    const total = weights.reduce((a, b) => a + b);
    const start = this.start + this.#hops * this.hop;
    const reached = Math.min(start + this.hop, end);
    const sum = this.#rows[0].map((_, j) => ((reached - start) * this.#rows.reduce((a, row, i) => a + weights[i] * row[j], 0)) / total);
    const hop = new Segment(start, reached, sum);
    this.#hops++;
    this.onHop(this.#answer(hop, 0));
    return this.#merge(hop);
  }

  #merge(hop) {
    if (!this.#current) {
      this.#current = hop;
      return [];
    }
    const label = this.#label(hop);
    const same = label === this.#label(this.#current);
    if (this.#change && (same || label !== this.#label(this.#change))) {
      this.#current.join(this.#change);
      this.#change = null;
    }
    if (same) {
      this.#current.join(hop);
      return [];
    }
    if (this.#change) this.#change.join(hop);
    else this.#change = hop;
    if (this.#change.hops < this.shortest) return [];
    if (this.#current.hops < this.shortest) {
      // The region began with too little of one label to stand alone.
      this.#current.join(this.#change);
      this.#change = null;
      return [];
    }
    const ended = this.#current;
    [this.#current, this.#change] = [this.#change, null];
    return [this.#answer(ended)];
  }

  #label({ sum }) {
    const scores = sum.slice(0, this.card.labels.length);
    return scores.indexOf(Math.max(...scores));
  }

  /** The mean of the hops, weighted by their length. */
  #answer({ start, end, sum }, threshold = this.card.threshold) {
    const k = this.card.labels.length;
    const total = sum.slice(0, k).reduce((a, b) => a + b);
    return answer({ ...this.card, threshold }, start, end, sum.map((x, i) => x / (i < k ? total : end - start)));
  }
}

// --- timeline/summary.py -------------------------------------------------------------------------

/** Below this quality a signal is poor: WEAK of timeline/quality.py. */
const WEAK = 0.6;

/** One answer for a whole recording: the mean of its segments, weighted by their length; without any it abstains. */
export function summarise(segments, { labels, threshold }) {
  if (!segments.length) return { start: 0, end: 0, label: null, best: null, confidence: 0, scores: {}, modality: "speech", quality: 0, threshold: 0, reason: "" };
  const length = (part) => part.end - part.start;
  const total = segments.reduce((sum, part) => sum + length(part), 0);
  const mean = (value) => segments.reduce((sum, part) => sum + length(part) * value(part), 0) / total;
  const means = labels.map((label) => mean((part) => part.scores[label]));
  const whole = means.reduce((a, b) => a + b);
  const scores = Object.fromEntries(labels.map((label, i) => [label, means[i] / whole]));
  const [quality, confidence] = [Math.min(1, Math.max(0, mean((part) => part.quality))), Math.max(...Object.values(scores))];
  const best = labels.find((label) => scores[label] === confidence);
  const unsure = confidence < threshold;
  // The reason of the part that weighs most: its length times what it lacks in quality.
  const cost = (part) => length(part) * Math.max(0.01, 1 - part.quality);
  const costliest = segments.filter((part) => part.reason).reduce((worst, part) => (worst && cost(part) <= cost(worst) ? worst : part), null);
  const reason = quality < WEAK || unsure ? (costliest?.reason ?? "") : "";
  const [{ start }, { end }] = [segments[0], segments.at(-1)];
  return { start, end, label: unsure ? null : best, best, confidence, scores, modality: "speech", quality, threshold, reason };
}
