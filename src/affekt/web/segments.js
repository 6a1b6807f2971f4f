// The segments as a list: what was recognised, how surely, and why not more surely. Each one plays.

import { best, clock, named, percent, strength, why } from "./words.js";

export class Segments {
  #shown = new Map();

  /** `play(segment)` is called when one is chosen. */
  constructor(list, play) {
    this.list = list;
    this.play = play;
  }

  /** The recording's segments; only what is new is made. */
  show(recording) {
    const wanted = recording.segments;
    const there = new Set(wanted);
    if (this.recording !== recording || [...this.#shown.keys()].some((segment) => !there.has(segment))) {
      this.recording = recording;
      this.#shown.clear();
      this.list.replaceChildren();
    }
    for (const segment of wanted) {
      if (this.#shown.has(segment)) continue;
      const item = this.#item(segment, recording);
      this.#shown.set(segment, item);
      this.list.append(item);
      if (recording.state === "live") this.list.scrollTop = this.list.scrollHeight;
    }
  }

  /** Mark the one at a time. */
  mark(time) {
    for (const [segment, item] of this.#shown) {
      item.firstChild.setAttribute("aria-current", String(segment.start <= time && time < segment.end));
    }
  }

  #item(segment, recording) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "segment" });
    const chip = part("chip", "");
    chip.style.backgroundColor = segment.skipped ? "" : (recording.palette[best(segment)] ?? "");
    const guess = !segment.label && best(segment) && !segment.skipped ? `perhaps ${best(segment)}, ` : "";
    const sure = segment.skipped || !best(segment) ? "" : `${guess}${percent(segment.confidence)} · ${strength(segment.confidence)}`;
    const time = part("segment-time", recording.still ? "" : `${clock(segment.start)} – ${clock(segment.end)}`);
    button.append(chip, part("segment-label", named(segment)), part("segment-sure", sure), time);
    const because = why(segment, recording);
    if (because) button.append(part("segment-why", because));
    button.addEventListener("click", () => this.play(segment));
    item.append(button);
    return item;
  }
}

function part(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent });
}
