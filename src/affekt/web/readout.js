// What is under the pointer: the time, and what was recognised there.

import { element } from "./elements.js";
import { t } from "./strings.js";
import { answer, best, capital, clock, inside, labelled, percent, sharePercent, whoever } from "./words.js";

/** Labels that are named of one place. */
const MOST = 3;
/** Lines from which those that say nothing are left out. */
const MANY = 4;

export class Readout {
  /** `nothing` is the key of what is said where nothing is. */
  constructor(root, nothing) {
    Object.assign(this, { root, nothing });
  }

  hide() {
    this.root.hidden = true;
  }

  /** Segments by who, at a time. */
  segments(place, time, table) {
    const lines = [...table].map(([who, part]) => {
      const segment = part.find((s) => s.start <= time && time < s.end);
      if (!best(segment) || segment.skipped) return [who, answer(segment, t(this.nothing)), ""];
      return [who, answer(segment, t(this.nothing)), ranked(Object.entries(segment.scores))];
    });
    this.#show(place, clock(time), lines);
  }

  /** Bins by who, at a time. */
  bins(place, time, table, step) {
    const start = Math.floor(time / step) * step;
    const lines = [...table].map(([who, bins]) => {
      const bin = bins.find((one) => one.start <= time && time < one.end);
      if (!bin) return [who, t(this.nothing), ""];
      const parts = Object.entries(bin.seconds).map(([label, seconds]) => [label, seconds / bin.spoken]);
      const unsure = bin.unsure ? `${inside(t("answer.unsure"))} ${sharePercent(bin.unsure / bin.spoken)}` : "";
      return [who, "", [ranked(parts), unsure].filter(Boolean).join(", ")];
    });
    this.#show(place, t("time.span", { from: clock(start, 0), to: clock(start + step, 0) }), lines);
  }

  #show(place, when, lines) {
    const kept = lines.length > MANY ? lines.filter(([, said, more]) => more || said !== t(this.nothing)) : lines;
    const rows = (kept.length ? kept : [["", t(this.nothing), ""]]).map(([who, said, more]) =>
      element("span", { className: "readout-line" }, who ? `${capital(whoever(who))}: ` : "", said ? element("strong", {}, said) : null, said && more ? " " : "", more),
    );
    this.root.replaceChildren(element("span", { className: "readout-time" }, when), ...rows);
    this.root.hidden = false;
    // Beside the pointer, on the side where there is more room.
    const isRight = place > 0.5;
    this.root.style.left = isRight ? "" : `calc(${100 * place}% + 12px)`;
    this.root.style.right = isRight ? `calc(${100 * (1 - place)}% + 12px)` : "";
  }
}

function ranked(parts) {
  const most = parts.filter(([, p]) => p > 0.005).sort((a, b) => b[1] - a[1]);
  return most.slice(0, MOST).map(([label, p]) => `${labelled(label, { within: true })} ${percent(p)}`).join(", ");
}
