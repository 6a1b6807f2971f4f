// The segments as a list: what was recognised, how surely, and why not more surely. Each one plays.
// Only what can be seen of it is made, and it is one stop of the Tab key; arrow keys move inside.

import { element } from "./elements.js";
import { isForeign } from "./said.js";
import { t } from "./strings.js";
import { best, clock, labelled, named, percent, strength, tintChip, why } from "./words.js";

/** Pixels of a row before it was measured, without and with a reason, and how many above and below the box are made. */
const [PLAIN, WITH_REASON, SPARE] = [43, 64, 200];

export class Segments {
  #rows = new Map(); // by index: what is made of the list
  #heights = [];
  #tops = [0];
  #current = 0; // the row that Tab comes to
  #marked = [];
  #segments = [];

  /** `play(segment)` is called when one is chosen. */
  constructor(list, play) {
    this.list = list;
    this.play = play;
    list.dataset.rows = "";
    list.addEventListener("scroll", () => this.#draw(), { passive: true });
    list.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#resized()).observe(list);
  }

  /** The recording's segments; only what is new is made. */
  show(recording) {
    const wanted = recording.segments;
    const same = this.recording === recording && this.#segments.every((segment, i) => segment === wanted[i]);
    const before = this.#segments.length;
    if (same && before === wanted.length) return;
    [this.recording, this.#segments] = [recording, wanted];
    if (!same) {
      this.#forget();
      [this.#heights, this.#current, this.#marked] = [[], 0, []];
      this.list.scrollTop = 0;
    }
    for (let i = this.#heights.length; i < wanted.length; i++) this.#heights.push(why(wanted[i], recording) ? WITH_REASON : PLAIN);
    for (const item of this.#rows.values()) item.setAttribute("aria-setsize", wanted.length);
    this.#place();
    if (recording.state === "live") this.list.scrollTop = this.list.scrollHeight;
    this.#draw();
  }

  /** Make all rows again: the language changed. */
  redraw() {
    this.#forget();
    this.#draw();
  }

  /** Mark those at a time; `follow` brings them into view, unless somebody is in the list. */
  mark(time, { follow = false } = {}) {
    const marked = this.#segments.flatMap((s, i) => (s.start <= time && time < s.end ? [i] : []));
    if (marked.join() === this.#marked.join()) return;
    for (const i of this.#marked) this.#rows.get(i)?.firstChild.setAttribute("aria-current", "false");
    this.#marked = marked;
    for (const i of marked) this.#rows.get(i)?.firstChild.setAttribute("aria-current", "true");
    if (!marked.length || this.list.contains(document.activeElement)) return;
    this.#goTo(marked[0]);
    if (follow) this.#reveal(marked[0]);
  }

  #forget() {
    this.#rows.clear();
    this.list.replaceChildren();
  }

  /** Where each row stands. */
  #place() {
    const tops = [0];
    for (const height of this.#heights) tops.push(tops.at(-1) + height);
    this.#tops = tops;
    this.list.hidden = !this.#segments.length;
    this.list.style.height = `${tops.at(-1) + 2}px`; // the borders
  }

  /** Make the rows that can be seen, with the one that has the focus; take away the others. */
  #draw() {
    const { scrollTop, clientHeight } = this.list;
    const [first, last] = [this.#at(scrollTop - SPARE), this.#at(scrollTop + clientHeight + SPARE)];
    const focused = [...this.#rows].find(([, item]) => item.contains(document.activeElement))?.[0];
    const wanted = new Set([this.#current, focused].filter((i) => i !== undefined && i < this.#segments.length));
    for (let i = first; i <= last && i < this.#segments.length; i++) wanted.add(i);
    for (const [i, item] of this.#rows) {
      if (wanted.has(i)) continue;
      item.remove();
      this.#rows.delete(i);
    }
    for (const i of [...wanted].sort((a, b) => a - b)) if (!this.#rows.has(i)) this.#add(i);
    this.#measure();
  }

  /** Rows stand in the order of the list for those who read it without seeing. */
  #add(i) {
    const item = this.#item(i);
    const next = [...this.#rows.keys()].filter((j) => j > i).sort((a, b) => a - b)[0];
    this.list.insertBefore(item, next === undefined ? null : this.#rows.get(next));
    this.#rows.set(i, item);
  }

  /** Heights as they are; above what is seen, that moves nothing that is seen. */
  #measure() {
    const top = this.#at(this.list.scrollTop);
    const within = this.list.scrollTop - (this.#tops[top] ?? 0);
    let changed = false;
    for (const [i, item] of this.#rows) {
      const height = item.firstChild.offsetHeight + 1; // the line below
      if (height > 1 && height !== this.#heights[i]) [this.#heights[i], changed] = [height, true];
    }
    if (changed) this.#place();
    for (const [i, item] of this.#rows) item.style.top = `${this.#tops[i]}px`;
    if (changed && top && Math.abs(this.list.scrollTop - this.#tops[top] - within) > 1) this.list.scrollTop = this.#tops[top] + within;
  }

  #resized() {
    if (this.list.clientWidth !== this.wide) this.#draw();
    this.wide = this.list.clientWidth;
  }

  /** The row at so many pixels. */
  #at(y) {
    let [low, high] = [0, Math.max(0, this.#segments.length - 1)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #reveal(i) {
    const { scrollTop, clientHeight } = this.list;
    if (this.#tops[i] < scrollTop) this.list.scrollTop = this.#tops[i];
    else if (this.#tops[i + 1] > scrollTop + clientHeight) this.list.scrollTop = this.#tops[i + 1] - clientHeight;
    this.#draw();
  }

  /** Which row Tab comes to. */
  #goTo(i) {
    const before = this.#rows.get(this.#current)?.firstChild;
    if (before) before.tabIndex = -1;
    this.#current = i;
    if (!this.#rows.has(i)) this.#draw();
    this.#rows.get(i).firstChild.tabIndex = 0;
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / PLAIN) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const i = Math.max(0, Math.min(this.#segments.length - 1, this.#current + moves[event.key]));
    this.#goTo(i);
    this.#reveal(i);
    this.#rows.get(i).firstChild.focus({ preventScroll: true });
  }

  #item(i) {
    const { recording } = this;
    const segment = this.#segments[i];
    const chip = element("span", { className: "chip" });
    tintChip(chip, segment, recording.palette);
    const guess = !segment.label && best(segment) && !segment.skipped ? `${t("answer.perhaps", { label: labelled(best(segment), { within: true }) })}, ` : "";
    const sure = segment.skipped || !best(segment) ? "" : `${guess}${percent(segment.confidence)} · ${strength(segment.confidence)}`;
    const time = recording.still ? "" : `${clock(segment.start)} – ${clock(segment.end)}`;
    const because = why(segment, recording);
    const row = element(
      "button",
      { type: "button", className: "segment", tabIndex: i === this.#current ? 0 : -1 },
      chip,
      element("span", { className: "segment-label" }, named(segment)),
      element("span", { className: "segment-sure" }, sure),
      element("span", { className: "segment-time" }, time),
      because ? element("span", { className: "segment-why", ...(isForeign(segment.reason) ? { lang: "en" } : {}) }, because) : null,
    );
    row.setAttribute("aria-current", String(this.#marked.includes(i)));
    row.addEventListener("click", () => {
      this.#goTo(i);
      this.play(segment);
    });
    const item = element("li", {}, row);
    item.setAttribute("aria-setsize", this.#segments.length);
    item.setAttribute("aria-posinset", i + 1);
    return item;
  }
}
