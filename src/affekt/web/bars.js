// One bar per emotion, moving with what is heard now.

import { language } from "./strings.js";
import { labelled, percent } from "./words.js";

export class Bars {
  #rows = new Map();
  #named = "";

  constructor(list) {
    this.list = list;
  }

  /** Which labels there are, with their colours {label: colour}. */
  name(palette) {
    const key = `${Object.keys(palette)} ${language()}`;
    if (this.#named === key) return;
    this.#named = key;
    this.#rows.clear();
    this.list.replaceChildren(...Object.entries(palette).map(([label, colour]) => this.#row(label, colour)));
  }

  /** Show scores {label: p}; faded when nobody speaks now. */
  show(scores, { faded = false } = {}) {
    const top = Math.max(0, ...Object.values(scores));
    this.list.classList.toggle("faded", faded);
    for (const [label, { item, meter, fill, value }] of this.#rows) {
      const p = scores[label] ?? 0;
      item.classList.toggle("best", p > 0 && p === top);
      fill.style.transform = `scaleX(${p.toFixed(4)})`;
      value.textContent = Object.keys(scores).length ? percent(p) : "";
      meter.setAttribute("aria-valuenow", Math.round(100 * p));
      meter.setAttribute("aria-valuetext", percent(p));
    }
  }

  #row(label, colour) {
    const item = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { className: "bar-name", textContent: labelled(label) });
    const meter = Object.assign(document.createElement("div"), { className: "bar" });
    const fill = document.createElement("div");
    const value = Object.assign(document.createElement("span"), { className: "bar-value" });
    value.setAttribute("aria-hidden", "true");
    for (const [key, word] of Object.entries({ role: "meter", "aria-label": labelled(label, { within: true }), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 })) {
      meter.setAttribute(key, word);
    }
    item.dataset.label = label;
    fill.style.backgroundColor = colour;
    meter.append(fill);
    item.append(name, meter, value);
    this.#rows.set(label, { item, meter, fill, value });
    return item;
  }
}
