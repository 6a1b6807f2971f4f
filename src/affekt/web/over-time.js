// What is drawn over one axis of time: which stretch is seen, the place that is heard, bins of equal time where segments
// are too narrow to be told apart, and what is under the pointer. Voices, faces and videos differ in what they paint.

import { drawAxis } from "./axis.js";
import { areNarrow, binned, lanes, stepFor } from "./bins.js";
import { element } from "./elements.js";
import { offerGestures } from "./gestures.js";
import { Overview } from "./overview.js";
import { Readout } from "./readout.js";
import { legendItems } from "./shares.js";
import { language, say, t } from "./strings.js";
import { View } from "./view.js";
import { answer, clock } from "./words.js";

/** Seconds from which a recording has an overview. */
const OVERVIEW = 20;
/** Seconds within which two places are the same: a player rounds. */
const NEAR = 0.02;
/** Pixels of the axis where it is not laid out yet. */
const WIDE = 800;
/** What is clicked for itself, not for the time where it stands. */
const OWN = "button, .strip-name, .person-name";

/** "seek" with a time, "view" when another stretch is seen. Those who extend it have `paint(window, step)`. */
export class OverTime extends EventTarget {
  view = new View();
  time = 0;
  /** Whether somebody chose the place. */
  placed = false;
  recording = null;
  #asked = false;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  /** `parts` are elements, see `frame`; `live` are the seconds that are seen of a live stream, `nothing` the text where nothing is. */
  constructor(parts, { live, nothing = "answer.none.speech" }) {
    super();
    Object.assign(this, parts, { live });
    this.overview = new Overview(parts.overview, (from, span) => this.look(from, span));
    this.readout = new Readout(parts.readout, nothing);
    new ResizeObserver(() => this.draw()).observe(this.root);
    offerGestures(
      this.area,
      {
        zoom: (factor, place, to) => this.#change(() => this.view.zoom(factor, this.view.timeAt(place), to)),
        pan: (by) => this.#change(() => this.view.pan(by * this.view.span)),
        drag: (from, to) => this.#drag(from, to),
        click: (place, { target }) => target.closest(OWN) || this.seekTo(this.view.timeAt(place)),
      },
      { ruler: this.axis },
    );
    this.area.addEventListener("pointermove", (event) => this.#read(event));
    for (const type of ["pointerleave", "pointerdown"]) this.area.addEventListener(type, () => this.readout.hide());
    this.slider.addEventListener("keydown", (event) => this.#key(event));
    const { closer, further, whole } = this.zooms;
    closer.addEventListener("click", () => this.zoom(0.5));
    further.addEventListener("click", () => this.zoom(2));
    whole.addEventListener("click", () => this.all());
  }

  get from() {
    return this.view.from;
  }

  get to() {
    return this.view.to;
  }

  /** The recording to draw, from its beginning; null for none. What is seen of the same one stays; tells whether it is that. */
  show(recording) {
    const same = recording === this.recording && recording?.state !== "live" && Math.abs(this.view.length - this.length) < 0.05;
    this.recording = recording;
    if (!same) {
      this.readout.hide();
      this.time = 0;
      this.placed = false;
      this.all();
    }
    this.draw();
    return same;
  }

  /** See everything. */
  all() {
    this.view.all(this.length);
    this.draw();
  }

  /** See `factor` times as much, around the place that is heard. */
  zoom(factor) {
    const { from, to, time } = this;
    this.#change(() => this.view.zoom(factor, time >= from && time <= to ? time : (from + to) / 2));
  }

  /** See `span` seconds from `from` on. */
  look(from, span) {
    this.#change(() => this.view.look(from, span));
  }

  /** The place that is heard, in seconds; the view follows it. */
  at(time) {
    this.time = time;
    if (time < this.from || time > this.to) this.look(time, this.view.span);
    this.#placePlayhead();
    this.overview.mark(time);
  }

  /** The same, where somebody asked for it. */
  place(time) {
    this.placed = true;
    this.at(time);
  }

  /** Go to a place: as if it had been clicked. */
  seekTo(time) {
    if (!this.usable) return;
    const detail = Math.max(0, Math.min(this.length, time));
    this.place(detail);
    this.#tellSlider();
    this.dispatchEvent(new CustomEvent("seek", { detail }));
  }

  /** The segment after (1) or before (-1) the place that is heard, of those that count; null where there is none. */
  neighbour(direction) {
    const segments = [...this.counting].sort((a, b) => a.start - b.start);
    const found = direction > 0 ? segments.find((s) => s.start > this.time + NEAR) : segments.findLast((s) => s.start < this.time - NEAR);
    return found ?? null;
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

  get isLive() {
    return this.recording?.state === "live";
  }

  /** Whether one can move in it. */
  get usable() {
    return Boolean(this.recording) && !this.isLive;
  }

  get length() {
    return this.recording?.duration || this.live;
  }

  /** The segments that are stepped through, and whose answer the slider says. */
  get counting() {
    return this.recording?.segments ?? [];
  }

  /** The spans whose width decides whether bins stand for them. */
  get spread() {
    return this.recording?.segments ?? [];
  }

  /** Spans by what stands for them under the pointer. */
  rows() {
    return lanes(this.recording.segments);
  }

  /** Seconds of a bin, or null where segments are wide enough to be seen. */
  get step() {
    return this.stepOf(this.view.span);
  }

  /** The same where so many seconds are seen. */
  stepOf(span) {
    const perPixel = span / (this.axis.clientWidth || WIDE);
    return this.usable && areNarrow(this.spread, perPixel) ? stepFor(perPixel) : null;
  }

  /** Change what is seen; tells whether that did anything. */
  #change(act) {
    if (!this.usable) return false;
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
    const { live, recording } = this;
    // With reduced motion the view turns pages instead of gliding.
    const end = this.#calm.matches ? Math.ceil((3 * recording.duration) / live) * (live / 3) : recording.duration;
    const to = Math.max(live, end);
    this.view.all(to);
    this.view.look(to - live, live);
  }

  #drawNow() {
    const { recording, usable } = this;
    if (this.isLive) this.#follow();
    this.root.classList.toggle("filled", Boolean(recording));
    this.root.classList.toggle("whole", this.view.whole);
    this.area.dataset.seen = `${this.from.toFixed(3)} ${this.to.toFixed(3)}`;
    const window = { from: this.from, to: this.to, labels: recording?.labels ?? [], palette: recording?.palette ?? {} };
    this.paint(window, this.step);
    drawAxis(this.axis, window);
    this.overview.draw(recording && !this.isLive && recording.duration >= OVERVIEW ? recording : null, this.view, this.time);
    const key = `${Object.keys(window.palette)} ${language()}`;
    if (this.legend.dataset.key !== key) this.legend.replaceChildren(...legendItems(window.palette));
    this.legend.dataset.key = key;
    for (const button of Object.values(this.zooms)) button.disabled = !usable;
    this.#placePlayhead();
    this.#tellSlider();
  }

  #placePlayhead() {
    const share = this.view.share(this.time);
    this.playhead.hidden = !this.usable || share < 0 || share > 1;
    this.playhead.style.left = `${100 * share}%`;
  }

  #tellSlider() {
    const said = this.counting.find((s) => s.start <= this.time && this.time < s.end);
    const place = t("view.position.value", { time: clock(this.time), length: clock(this.length) });
    const attributes = {
      "aria-disabled": !this.usable,
      "aria-valuemax": this.length.toFixed(1),
      "aria-valuenow": this.time.toFixed(1),
      "aria-valuetext": `${place}${said ? `, ${answer(said)}` : ""}`,
    };
    for (const [name, value] of Object.entries(attributes)) this.slider.setAttribute(name, value);
  }

  /** What is where the pointer is: of a bin its shares, of a segment its probabilities. */
  #read(event) {
    if (!this.usable || event.buttons || !this.recording.segments.length) return;
    const { left, width } = this.axis.getBoundingClientRect();
    const place = (event.clientX - left) / width;
    if (place < 0 || place > 1) return this.readout.hide();
    const [time, step, table] = [this.view.timeAt(place), this.step, this.rows(event)];
    if (step) this.readout.bins(place, time, new Map([...table].map(([who, part]) => [who, binned(part, step)])), step);
    else this.readout.segments(place, time, table);
  }

  #key(event) {
    const moves = { ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    this.seekTo(this.time + moves[event.key]);
    event.preventDefault();
  }
}

/**
 * The elements of an axis of time in `root`, around what is drawn over it, `content`. `key` is the text that names the
 * slider, which is the axis itself here.
 */
export function frame(root, content, key) {
  const overview = element("canvas", { className: "overview", ariaHidden: "true", hidden: true });
  const axis = element("canvas", { className: "axis", ariaHidden: "true" });
  const slider = element("div", { className: "seek", role: "slider", tabIndex: 0, ariaValueMin: "0", data: { tAriaLabel: key } }, axis);
  slider.setAttribute("aria-label", t(key));
  slider.setAttribute("aria-keyshortcuts", "Space ArrowLeft ArrowRight + - 0 j k ?");
  const [playhead, readout] = ["playhead", "readout"].map((className) => element("div", { className, ariaHidden: "true", hidden: true }));
  const area = element("div", { className: "over-time" }, content, slider, element("div", { className: "marks" }, playhead, readout));
  const legend = element("ul", { className: "colour-legend" });
  const zooms = Object.fromEntries(["further", "whole", "closer"].map((name) => [name, zoomButton(name)]));
  const zoom = element("div", { className: "zoom", role: "group", data: { tAriaLabel: "view.zoom" } }, ...Object.values(zooms));
  zoom.setAttribute("aria-label", t("view.zoom"));
  root.append(element("div", { className: "tracks" }, overview, area), element("div", { className: "lanes-foot" }, legend, zoom));
  return { root, area, axis, overview, playhead, readout, slider, legend, zooms };
}

function zoomButton(name) {
  const button = element("button", { type: "button", className: "quiet", disabled: true });
  if (name === "whole") say(button, "view.zoom.all");
  else {
    const key = name === "closer" ? "view.zoom.in" : "view.zoom.out";
    button.textContent = name === "closer" ? "+" : "−";
    button.dataset.tAriaLabel = key;
    button.setAttribute("aria-label", t(key));
  }
  return button;
}
