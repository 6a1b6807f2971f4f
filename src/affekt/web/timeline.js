// The tracks over one axis of time: waveform, spectrogram, probabilities, segments, and the place that is heard.

import { paper, tint } from "./canvas.js";
import { ink } from "./colours.js";
import { drawProbabilities } from "./probabilities.js";
import { drawSpectrogram } from "./spectrogram.js";
import { drawWaveform } from "./waveform.js";
import { answer, best, clock, named, percent } from "./words.js";

/** Seconds that are seen while one speaks. */
const LIVE = 12;
/** Seconds that are seen at least. */
const CLOSEST = 0.5;
const UNKNOWN = "#8a8f98";
/** Pixels of a lane of segments, and between a segment and the edges of its lane. */
const [LANE, GAP] = [38, 4];

export class Timeline extends EventTarget {
  #recording = null;
  #asked = false;
  #spans = new Map();
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(root) {
    super();
    this.root = root;
    this.from = 0;
    this.to = LIVE;
    this.time = 0;
    for (const id of ["seek", "waveform", "spectrogram", "probabilities", "spans", "axis", "playhead", "empty"]) this[id] = root.querySelector(`#${id}`);
    new ResizeObserver(() => this.draw()).observe(root);
    this.seek.addEventListener("pointerdown", (event) => this.#point(event));
    this.seek.addEventListener("pointermove", (event) => event.buttons && this.#point(event));
    this.seek.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** The recording to draw, from its beginning; null for none. */
  show(recording) {
    this.#recording = recording;
    this.#spans.clear();
    this.spans.replaceChildren();
    this.time = 0;
    this.all();
  }

  /** See everything. */
  all() {
    [this.from, this.to] = [0, Math.max(this.#length, CLOSEST)];
    this.draw();
  }

  /** See `factor` times as much, around the place that is heard. */
  zoom(factor) {
    const middle = this.time > this.from && this.time < this.to ? this.time : (this.from + this.to) / 2;
    const span = Math.max(CLOSEST, Math.min(this.#length, (this.to - this.from) * factor));
    this.#look(middle - ((middle - this.from) / (this.to - this.from)) * span, span);
  }

  /** The place that is heard, in seconds; the view follows it. */
  at(time) {
    this.time = time;
    if (time < this.from || time > this.to) this.#look(time, this.to - this.from);
    this.#placePlayhead();
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

  get #length() {
    return this.#recording?.duration || LIVE;
  }

  #look(from, span) {
    this.from = Math.max(0, Math.min(from, this.#length - span));
    this.to = this.from + span;
    this.draw();
  }

  #follow() {
    // With reduced motion the view turns pages instead of gliding.
    const end = this.#calm.matches ? Math.ceil(this.#recording.duration / 4) * 4 : this.#recording.duration;
    this.to = Math.max(LIVE, end);
    this.from = this.to - LIVE;
  }

  #drawNow() {
    const recording = this.#recording;
    if (this.#live) this.#follow();
    this.empty.hidden = Boolean(recording);
    this.root.classList.toggle("filled", Boolean(recording));
    const window = { from: this.from, to: this.to, speech: recording?.speech ?? [], labels: recording?.labels ?? [], palette: recording?.palette ?? {} };
    drawWaveform(this.waveform, recording?.samples, window);
    drawSpectrogram(this.spectrogram, recording?.mel, window);
    drawProbabilities(this.probabilities, recording?.windows.length ? recording.windows : (recording?.segments ?? []), window);
    this.#drawSpans(recording ? [...recording.segments, ...(recording.unstable ? [recording.unstable] : [])] : []);
    this.#drawAxis();
    this.#placePlayhead();
    this.#tellSlider();
  }

  #drawSpans(segments) {
    const seen = new Set();
    // A lane for each person, where segments say who it is.
    const people = [...new Set(segments.map((segment) => segment.who ?? ""))];
    this.spans.style.height = people.length > 1 ? `${LANE * people.length}px` : "";
    for (const segment of segments) {
      if (segment.end <= this.from || segment.start >= this.to) continue;
      const key = `${segment.start} ${segment.end} ${segment.label} ${segment.unstable} ${segment.who}`;
      seen.add(key);
      if (!this.#spans.has(key)) this.#spans.set(key, this.#span(segment));
      const { style } = this.#spans.get(key);
      style.left = `${this.#share(segment.start)}%`;
      style.top = `${LANE * people.indexOf(segment.who ?? "") + GAP}px`;
      style.height = `${LANE - 2 * GAP}px`;
      style.width = `${this.#share(segment.end) - this.#share(segment.start)}%`;
    }
    for (const [key, element] of this.#spans) {
      if (seen.has(key)) continue;
      element.remove();
      this.#spans.delete(key);
    }
  }

  #span(segment) {
    // The list below says the same to keyboards and screen readers.
    const element = Object.assign(document.createElement("button"), { type: "button", className: "span", tabIndex: -1 });
    element.setAttribute("aria-hidden", "true");
    const colour = segment.skipped ? UNKNOWN : (this.#recording.palette[best(segment)] ?? UNKNOWN);
    element.classList.toggle("unsure", !segment.label);
    element.classList.toggle("unstable", Boolean(segment.unstable));
    element.style.backgroundColor = colour;
    element.style.color = ink(colour);
    const words = [named(segment), best(segment) && !segment.skipped ? percent(segment.confidence) : ""];
    element.append(...words.map((textContent) => Object.assign(document.createElement("span"), { textContent })));
    element.title = `${words.join(" ").trim()}, ${clock(segment.start)} to ${clock(segment.end)}`;
    element.addEventListener("click", () => this.dispatchEvent(new CustomEvent("segment", { detail: segment })));
    this.spans.append(element);
    return element;
  }

  #drawAxis() {
    const sheet = paper(this.axis);
    if (!sheet) return;
    const { context, width } = sheet;
    const span = this.to - this.from;
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
    const step = steps.find((s) => (s / span) * width >= 64) ?? 86400;
    context.font = `11px ${getComputedStyle(this.root).fontFamily}`;
    context.fillStyle = tint("muted");
    for (let i = Math.ceil(this.from / step - 1e-6); i * step <= this.to; i++) {
      const x = ((i * step - this.from) / span) * width;
      context.fillRect(Math.min(x, width - 1), 0, 1, 4);
      context.textAlign = x < 14 ? "left" : x > width - 14 ? "right" : "center";
      context.fillText(clock(i * step, step < 1 ? 1 : 0), x, 16);
    }
  }

  #placePlayhead() {
    const { time, from, to } = this;
    this.playhead.hidden = !this.#recording || this.#live || time < from || time > to;
    this.playhead.style.left = `${this.#share(time)}%`;
  }

  #tellSlider() {
    const usable = Boolean(this.#recording) && !this.#live;
    const said = this.#recording?.segments.find((s) => s.start <= this.time && this.time < s.end);
    const attributes = {
      "aria-disabled": !usable,
      "aria-valuemax": this.#length.toFixed(1),
      "aria-valuenow": this.time.toFixed(1),
      "aria-valuetext": `${clock(this.time)} of ${clock(this.#length)}${said ? `, ${answer(said)}` : ""}`,
    };
    for (const [name, value] of Object.entries(attributes)) this.seek.setAttribute(name, value);
  }

  #share(time) {
    return (100 * (time - this.from)) / (this.to - this.from);
  }

  #point(event) {
    const { left, width } = this.seek.getBoundingClientRect();
    this.#ask(this.from + ((event.clientX - left) / width) * (this.to - this.from));
  }

  #key(event) {
    const step = event.shiftKey ? 5 : 1;
    const moves = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) this.#ask(this.time + moves[event.key]);
    else if (event.key === " ") this.dispatchEvent(new Event("toggle"));
    else if (event.key === "+") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0") this.all();
    else return;
    event.preventDefault();
  }

  #wheel(event) {
    const wide = this.to - this.from;
    if (this.#live || !this.#recording || Math.abs(event.deltaX) <= Math.abs(event.deltaY) || wide >= this.#length) return;
    event.preventDefault();
    this.#look(this.from + (event.deltaX / this.root.clientWidth) * wide, wide);
  }

  #ask(time) {
    if (!this.#recording || this.#live) return;
    const detail = Math.max(0, Math.min(this.#length, time));
    this.at(detail);
    this.#tellSlider();
    this.dispatchEvent(new CustomEvent("seek", { detail }));
  }
}
