// A lane for each person over one axis of time: the probabilities as areas, with who it is and what they look like.

import { binned } from "./bins.js";
import { element } from "./elements.js";
import { OverTime, frame } from "./over-time.js";
import { drawProbabilities } from "./probabilities.js";
import { t } from "./strings.js";
import { answer, best, percent, whoever } from "./words.js";

/** Seconds that are seen of a live stream, and lanes that are shown at a time. */
const [LIVE, MOST] = [20, 12];

/** "choose" with a person, "seek" with a time. */
export class Lanes extends OverTime {
  #rows = new Map();
  #chosen = null;

  constructor(root) {
    const list = element("ul", { className: "lane-list" });
    super(frame(root, list, "view.position.video"), { live: LIVE, nothing: "answer.none.face" });
    this.list = list;
  }

  /** Draw what was seen; `time` is what the picture shows, `chosen` a person. */
  show(seen, { time = 0, chosen = null } = {}) {
    super.show(seen?.still ? null : seen);
    this.#chosen = chosen;
    this.root.hidden = !this.recording?.people.length;
    if (!this.root.hidden) this.at(time);
  }

  /** The longest lane: whom one sees most is seen in the narrowest pieces. */
  get spread() {
    return this.recording.people.map((who) => this.recording.lane(who)).reduce((a, b) => (b.length > a.length ? b : a), []);
  }

  paint(window, step) {
    if (!this.recording?.people.length) return;
    const people = this.#worth(this.recording);
    this.#keep(people);
    for (const who of people) this.#drawRow(this.#rows.get(who), who, { window, step });
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
    const said = element("span");
    const name = element("button", { type: "button", className: "lane-name" }, element("strong"), said);
    name.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: who })));
    const canvas = element("canvas", { className: "lane-strip", ariaHidden: "true" });
    return { item: element("li", { className: "lane" }, name, canvas), name, said, canvas };
  }

  #drawRow({ name, said, canvas }, who, { window, step }) {
    const { recording, isLive, time } = this;
    name.setAttribute("aria-pressed", String(who === this.#chosen));
    name.firstChild.textContent = whoever(who);
    const part = recording.lane(who);
    drawProbabilities(canvas, [step ? binned(part, step) : part], window);
    const now = recording.facesAt(time).find((face) => face.who === who);
    const shown = now ?? (isLive ? null : recording.summaries[who]);
    said.textContent = shown ? `${answer(shown, t("answer.none"))}${best(shown) ? ` ${percent(shown.confidence)}` : ""}` : t("face.not.now");
  }
}
