// A lane for each person over one axis of time: the probabilities as areas, with who it is and what they look like.

import { drawAxis } from "./axis.js";
import { tint } from "./canvas.js";
import { drawProbabilities } from "./probabilities.js";
import { t } from "./strings.js";
import { answer, best, percent } from "./words.js";

/** Seconds that are seen of a live stream, and lanes that are shown at a time. */
const [LIVE, MOST] = [20, 12];

/** "choose" with a person, "seek" with a time. */
export class Lanes extends EventTarget {
  #rows = new Map();
  #asked = null;

  constructor(root) {
    super();
    this.root = root;
    this.list = Object.assign(document.createElement("ul"), { className: "lane-list" });
    this.axis = Object.assign(document.createElement("canvas"), { className: "axis" });
    root.append(this.list, this.axis);
    new ResizeObserver(() => this.#asked && this.#draw()).observe(root);
  }

  /** Draw what was seen, at the next frame; `time` is what the picture shows, `chosen` a person. */
  show(seen, { time = 0, chosen = null } = {}) {
    const idle = this.#asked === null;
    this.#asked = { seen, time, chosen };
    if (idle) requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { seen, time, chosen } = this.#asked ?? {};
    this.#asked = null;
    const people = seen && !seen.still ? this.#worth(seen) : [];
    this.root.hidden = !people.length;
    if (!people.length) return;
    const live = seen.state === "live";
    const to = live ? Math.max(LIVE, seen.duration) : Math.max(0.5, seen.duration);
    const window = { from: live ? to - LIVE : 0, to, labels: seen.labels, palette: seen.palette };
    this.#keep(people);
    for (const who of people) this.#drawRow(this.#rows.get(who), seen, who, { window, time, live, chosen });
    drawAxis(this.axis, window);
  }

  /** Whom there is room for: those seen longest, in order of appearance. */
  #worth(seen) {
    const { people } = seen;
    if (people.length <= MOST) return people;
    const length = (who) => seen.lane(who).reduce((sum, { start, end }) => sum + end - start, 0);
    const longest = new Set([...people].sort((a, b) => length(b) - length(a)).slice(0, MOST));
    return people.filter((who) => longest.has(who));
  }

  #keep(people) {
    if ([...this.#rows.keys()].join("\n") === people.join("\n")) return;
    const before = this.#rows;
    this.#rows = new Map(people.map((who) => [who, before.get(who) ?? this.#row(who)]));
    this.list.replaceChildren(...[...this.#rows.values()].map(({ item }) => item));
  }

  #row(who) {
    const item = Object.assign(document.createElement("li"), { className: "lane" });
    const name = Object.assign(document.createElement("button"), { type: "button", className: "lane-name" });
    const [strong, said] = [document.createElement("strong"), document.createElement("span")];
    strong.textContent = who;
    const canvas = Object.assign(document.createElement("canvas"), { className: "lane-strip" });
    canvas.setAttribute("aria-hidden", "true");
    name.append(strong, said);
    name.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: who })));
    canvas.addEventListener("click", ({ offsetX }) => this.dispatchEvent(new CustomEvent("seek", { detail: offsetX / canvas.clientWidth })));
    item.append(name, canvas);
    return { item, name, said, canvas };
  }

  #drawRow({ name, said, canvas }, seen, who, { window, time, live, chosen }) {
    name.setAttribute("aria-pressed", String(who === chosen));
    drawProbabilities(canvas, [seen.lane(who)], window);
    const now = seen.facesAt(time).find((face) => face.who === who);
    const shown = now ?? (live ? null : seen.summaries[who]);
    said.textContent = shown ? `${answer(shown, t("answer.none"))}${best(shown) ? ` ${percent(shown.confidence)}` : ""}` : t("face.not.now");
    if (live || !time) return;
    const context = canvas.getContext("2d");
    context.fillStyle = tint("record");
    context.fillRect(((time - window.from) / (window.to - window.from)) * canvas.clientWidth - 1, 0, 2, canvas.clientHeight);
  }
}
