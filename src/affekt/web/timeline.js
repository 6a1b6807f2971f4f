// The tracks over one axis of time: waveform, spectrogram, probabilities, emotions, and the place that is heard.
// What is too narrow to be a segment is shown as shares of bins of equal time.

import { drawAxis } from "./axis.js";
import { areNarrow, binned, lanes, stepFor } from "./bins.js";
import { paper } from "./canvas.js";
import { ink } from "./colours.js";
import { element } from "./elements.js";
import { offerGestures } from "./gestures.js";
import { Overview } from "./overview.js";
import { drawProbabilities } from "./probabilities.js";
import { Readout } from "./readout.js";
import { drawBins, legendItems } from "./shares.js";
import { drawSpectrogram } from "./spectrogram.js";
import { language, say, t } from "./strings.js";
import { View } from "./view.js";
import { drawWaveform } from "./waveform.js";
import { answer, best, capital, clock, isUnsure, labelled, named, percent, step as stepped, whoever } from "./words.js";

/** Seconds that are seen while one speaks. */
const LIVE = 12;
/** Seconds from which a recording has an overview. */
const OVERVIEW = 20;
const UNKNOWN = "#8a8f98";
/** Pixels of a lane of segments, of one that is long and by itself, between a segment and the edges of its lane; of probabilities. */
const [LANE, HIGH, GAP, AREA] = [38, 60, 4, 76];
/** Seconds within which two places are the same: a player rounds. */
const NEAR = 0.02;
/** Pixels of a segment that are not for its words. */
const ROOM = 12;

/** "seek" with a time, "segment" with one that was chosen, "view" when another stretch is seen. */
export class Timeline extends EventTarget {
  view = new View();
  /** The number of the only lane that counts, or null. */
  lane = null;
  time = 0;
  #recording = null;
  #asked = false;
  #spans = new Map();
  #widths = new Map(); // of words in segments, in pixels
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(root) {
    super();
    this.root = root;
    for (const id of ["seek", "waveform", "spectrogram", "probabilities", "spans", "bins", "axis", "playhead", "empty", "probabilities-name", "spans-name", "over-time", "legend"]) {
      this[id] = document.getElementById(id);
    }
    this.overview = new Overview(document.getElementById("overview"), (from, span) => this.#look(from, span));
    this.readout = new Readout(document.getElementById("readout"));
    new ResizeObserver(() => this.draw()).observe(root);
    offerGestures(this["over-time"], {
      zoom: (factor, place, to) => this.#change(() => this.view.zoom(factor, this.view.timeAt(place), to)),
      pan: (by) => this.#change(() => this.view.pan(by * this.view.span)),
      drag: (from, to) => this.#drag(from, to),
      click: (place, { target }) => target.closest(".span") || this.seekTo(this.view.timeAt(place)),
    });
    this["over-time"].addEventListener("pointermove", (event) => this.#read(event));
    for (const type of ["pointerleave", "pointerdown"]) this["over-time"].addEventListener(type, () => this.readout.hide());
    this.seek.addEventListener("keydown", (event) => this.#key(event));
  }

  get from() {
    return this.view.from;
  }

  get to() {
    return this.view.to;
  }

  /** The recording to draw, from its beginning; null for none. What is seen of the same one stays. */
  show(recording) {
    const same = recording === this.#recording && recording?.state !== "live" && Math.abs(this.view.length - this.#length) < 0.05;
    this.#recording = recording;
    this.#spans.clear();
    this.spans.replaceChildren(this.bins);
    this.readout.hide();
    if (!same) {
      [this.time, this.lane] = [0, null];
      this.all();
    }
    this.draw();
  }

  /** See everything. */
  all() {
    this.view.all(this.#length);
    this.draw();
  }

  /** See `factor` times as much, around the place that is heard. */
  zoom(factor) {
    const { from, to, time } = this;
    this.#change(() => this.view.zoom(factor, time >= from && time <= to ? time : (from + to) / 2));
  }

  /** The place that is heard, in seconds; the view follows it. */
  at(time) {
    this.time = time;
    if (time < this.from || time > this.to) this.#look(time, this.view.span);
    this.#placePlayhead();
    this.overview.mark(time);
  }

  /** Go to a place: as if it had been clicked. */
  seekTo(time) {
    if (!this.#usable) return;
    const detail = Math.max(0, Math.min(this.#length, time));
    this.at(detail);
    this.#tellSlider();
    this.dispatchEvent(new CustomEvent("seek", { detail }));
  }

  /** The segment after (1) or before (-1) the place that is heard, in the lane that counts; null where there is none. */
  neighbour(direction) {
    const segments = [...this.#counting()].sort((a, b) => a.start - b.start);
    const found = direction > 0 ? segments.find((s) => s.start > this.time + NEAR) : segments.findLast((s) => s.start < this.time - NEAR);
    return found ?? null;
  }

  /** Let one lane count, the others fade; the same again: all. Gives its name, or null where all count. */
  choose(number) {
    const names = [...lanes(this.#recording?.segments ?? []).keys()];
    if (number >= names.length || names.length < 2) return undefined;
    this.lane = this.lane === number ? null : number;
    this.draw();
    return this.lane === null ? null : names[number];
  }

  /** Draw at the next frame, once however often it is asked. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#drawNow();
    });
  }

  get #live() {
    return this.#recording?.state === "live";
  }

  get #usable() {
    return Boolean(this.#recording) && !this.#live;
  }

  get #length() {
    return this.#recording?.duration || LIVE;
  }

  /** Seconds of a bin, or null where segments are wide enough to be seen. */
  get step() {
    const perPixel = this.view.span / (this["over-time"].clientWidth || 800);
    return this.#usable && areNarrow(this.#recording.segments, perPixel) ? stepFor(perPixel) : null;
  }

  /** Pixels of a lane of emotions: shares need more than names, and nothing jumps when one comes closer. */
  get #lane() {
    const segments = this.#recording?.segments ?? [];
    const perPixel = this.#length / (this["over-time"].clientWidth || 800);
    return this.#usable && lanes(segments).size < 2 && areNarrow(segments, perPixel) ? HIGH : LANE;
  }

  #counting() {
    const segments = this.#recording?.segments ?? [];
    return this.lane === null ? segments : [...lanes(segments).values()][this.lane];
  }

  #look(from, span) {
    this.#change(() => this.view.look(from, span));
  }

  /** Change what is seen; tells whether that did anything. */
  #change(act) {
    if (!this.#usable) return false;
    const { from, to } = this;
    act();
    if (from === this.from && to === this.to) return false;
    this.readout.hide();
    this.draw();
    this.dispatchEvent(new Event("view"));
    return true;
  }

  /** A drag moves what is seen of a recording; where all of it is seen, it moves the place that is heard. */
  #drag(from, to) {
    if (!this.view.whole) this.#change(() => this.view.pan((from - to) * this.view.span));
    else this.seekTo(this.view.timeAt(Math.max(0, Math.min(1, to))));
  }

  #follow() {
    // With reduced motion the view turns pages instead of gliding.
    const end = this.#calm.matches ? Math.ceil(this.#recording.duration / 4) * 4 : this.#recording.duration;
    const to = Math.max(LIVE, end);
    this.view.all(to);
    this.view.look(to - LIVE, LIVE);
  }

  #drawNow() {
    const recording = this.#recording;
    if (this.#live) this.#follow();
    this.empty.hidden = Boolean(recording);
    this.root.classList.toggle("filled", Boolean(recording));
    this.root.classList.toggle("whole", this.view.whole);
    this["over-time"].dataset.seen = `${this.from.toFixed(3)} ${this.to.toFixed(3)}`;
    const hasSound = Boolean(recording?.samples) || recording?.state !== "done";
    for (const name of ["waveform", "spectrogram"]) this[name].parentElement.hidden = !hasSound;
    const window = { from: this.from, to: this.to, speech: recording?.speech ?? [], labels: recording?.labels ?? [], palette: recording?.palette ?? {} };
    const step = this.step;
    drawWaveform(this.waveform, (recording?.fields?.channel === "each" && recording.channels) || [recording?.samples], window);
    drawSpectrogram(this.spectrogram, recording?.mel, window);
    this.#drawProbabilities(window, step);
    this.#drawEmotions(window, step);
    drawAxis(this.axis, window);
    this.overview.draw(recording && !this.#live && recording.duration >= OVERVIEW ? recording : null, this.view, this.time);
    const key = `${Object.keys(window.palette)} ${language()}`;
    if (this.legend.dataset.key !== key) this.legend.replaceChildren(...legendItems(window.palette));
    this.legend.dataset.key = key;
    this.#placePlayhead();
    this.#tellSlider();
  }

  #drawProbabilities(window, step) {
    const recording = this.#recording;
    const parts = recording?.windows.length ? [recording.windows] : [...lanes(recording?.segments ?? []).values()];
    this.probabilities.style.height = parts.length > 1 ? `${Math.max(34, AREA / parts.length) * parts.length}px` : "";
    drawProbabilities(this.probabilities, step ? parts.map((part) => binned(part, step)) : parts, { ...window, lane: this.lane });
    if (step) say(this["probabilities-name"], "view.probabilities.mean", { step: stepped(step) });
    else say(this["probabilities-name"], "view.probabilities");
  }

  #drawEmotions(window, step) {
    const recording = this.#recording;
    const table = lanes(recording?.segments ?? []);
    const high = this.#lane;
    this.spans.style.height = `${high * table.size}px`;
    this.bins.hidden = !step;
    if (step) say(this["spans-name"], "view.emotions.shares", { step: stepped(step) });
    else say(this["spans-name"], "view.emotions");
    const sheet = step && paper(this.bins);
    if (sheet) [...table.values()].forEach((part, i) => {
      sheet.context.globalAlpha = this.lane === null || this.lane === i ? 1 : 0.25;
      drawBins(sheet.context, binned(part, step), { ...window, top: high * i + 2, width: sheet.width, height: high - 3 });
    });
    this.#drawSpans(recording && !step ? [...recording.segments, ...(recording.unstable ? [recording.unstable] : [])] : []);
    this.#nameLanes([...table.keys()]);
  }

  #drawSpans(segments) {
    const seen = new Set();
    const names = [...lanes(this.#recording?.segments ?? []).keys()];
    const high = this.#lane;
    for (const segment of segments) {
      if (segment.end <= this.from || segment.start >= this.to) continue;
      const key = `${segment.start} ${segment.end} ${segment.label} ${segment.unstable} ${segment.who}`;
      seen.add(key);
      if (!this.#spans.has(key)) this.#spans.set(key, this.#span(segment));
      const span = this.#spans.get(key);
      const lane = Math.max(0, names.indexOf(segment.who ?? ""));
      const width = this.view.share(segment.end) - this.view.share(segment.start);
      span.style.left = `${100 * this.view.share(segment.start)}%`;
      span.style.top = `${high * lane + GAP}px`;
      span.style.height = `${high - 2 * GAP}px`;
      span.style.width = `${100 * width}%`;
      span.classList.toggle("faded", this.lane !== null && this.lane !== lane);
      this.#fit(span, segment, width * this.spans.clientWidth - ROOM);
    }
    for (const [key, span] of this.#spans) {
      if (seen.has(key)) continue;
      span.remove();
      this.#spans.delete(key);
    }
  }

  /** As many words as there is room for: the label with its confidence, the label, or none. */
  #fit(span, segment, room) {
    const label = answer(segment);
    const sure = best(segment) && !segment.skipped ? percent(segment.confidence) : "";
    const words = [`${label} ${sure}`.trim(), label].find((one) => this.#wide(one) <= room) ?? "";
    if (span.textContent !== words) span.textContent = words;
  }

  #wide(words) {
    if (!this.#widths.has(words)) {
      const { context } = paper(this.axis) ?? { context: this.axis.getContext("2d") };
      context.font = `600 13px ${getComputedStyle(this.root).fontFamily}`;
      this.#widths.set(words, context.measureText(words).width);
    }
    return this.#widths.get(words);
  }

  #span(segment) {
    // The list below says the same to keyboards and screen readers.
    const span = element("button", { type: "button", className: "span", tabIndex: -1 });
    span.setAttribute("aria-hidden", "true");
    const colour = segment.skipped ? UNKNOWN : (this.#recording.palette[best(segment)] ?? UNKNOWN);
    span.classList.toggle("unsure", isUnsure(segment));
    span.classList.toggle("unstable", Boolean(segment.unstable));
    span.style.backgroundColor = colour;
    span.style.color = ink(colour);
    span.addEventListener("click", () => this.dispatchEvent(new CustomEvent("segment", { detail: segment })));
    this.spans.append(span);
    return span;
  }

  /** Who or which channel each lane is, with the key that chooses it. */
  #nameLanes(names) {
    const wanted = names.length > 1 ? names : [];
    const key = `${wanted} ${this.lane} ${language()}`;
    if (this.spans.dataset.lanes === key && this.spans.querySelectorAll(".lane-tag").length === wanted.length) return;
    this.spans.dataset.lanes = key;
    for (const tag of this.spans.querySelectorAll(".lane-tag")) tag.remove();
    wanted.forEach((name, i) => {
      const tag = element("span", { className: "lane-tag" }, `${i < 9 ? `${i + 1} ` : ""}${capital(whoever(name))}`);
      tag.style.top = `${LANE * i}px`;
      tag.classList.toggle("chosen", this.lane === i);
      this.spans.append(tag);
    });
  }

  #placePlayhead() {
    const share = this.view.share(this.time);
    this.playhead.hidden = !this.#usable || share < 0 || share > 1;
    this.playhead.style.left = `${100 * share}%`;
  }

  #tellSlider() {
    const said = this.#counting().find((s) => s.start <= this.time && this.time < s.end);
    const place = t("view.position.value", { time: clock(this.time), length: clock(this.#length) });
    const attributes = {
      "aria-disabled": !this.#usable,
      "aria-valuemax": this.#length.toFixed(1),
      "aria-valuenow": this.time.toFixed(1),
      "aria-valuetext": `${place}${said ? `, ${answer(said)}` : ""}`,
    };
    for (const [name, value] of Object.entries(attributes)) this.seek.setAttribute(name, value);
  }

  /** What is where the pointer is: of a bin its shares, of a segment its probabilities. */
  #read({ clientX, buttons }) {
    if (!this.#usable || buttons || !this.#recording.segments.length) return;
    const { left, width } = this["over-time"].getBoundingClientRect();
    const place = (clientX - left) / width;
    const time = this.view.timeAt(place);
    const table = lanes(this.#recording.segments);
    if (this.step) this.readout.bins(place, time, new Map([...table].map(([who, part]) => [who, binned(part, this.step)])), this.step);
    else this.readout.segments(place, time, table);
  }

  #key(event) {
    const moves = { ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    this.seekTo(this.time + moves[event.key]);
    event.preventDefault();
  }
}
