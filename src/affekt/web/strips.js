// Strips over one axis of time: of each person what all say together, the voice, the face and the words.

import { binned } from "./bins.js";
import { paper, tint } from "./canvas.js";
import { ink } from "./colours.js";
import { element } from "./elements.js";
import { OverTime, frame } from "./over-time.js";
import { PARTS } from "./scene.js";
import { drawBins } from "./shares.js";
import { t } from "./strings.js";
import { answer, best, capital, labelled, percent, whoever } from "./words.js";

/** Seconds that are seen of a live stream, and people who are shown at a time. */
const [LIVE, MOST] = [20, 8];
const UNKNOWN = "#8a8f98";
/** Pixels of the edge that says a contradiction. */
const EDGE = 4;

/** "seek" with a time in seconds. */
export class Strips extends OverTime {
  #rows = [];
  #keys = "";

  constructor(root) {
    const body = element("div", { className: "strips" });
    super(frame(root, body, "view.position.video"), { live: LIVE, nothing: "answer.none" });
    this.body = body;
    root.classList.add("named");
  }

  /** Forget the rows: the language changed. */
  redraw() {
    this.#keys = "";
  }

  /** Draw what is known; `time` is what the picture shows. */
  show(scene, { time = 0 } = {}) {
    super.show(scene);
    this.root.hidden = !scene?.people.length;
    if (!this.root.hidden) this.at(time);
  }

  /** The strip with most answers. */
  get spread() {
    return this.#rows.map(({ who, modality }) => this.recording.strip(modality, who)).reduce((a, b) => (b.length > a.length ? b : a), []);
  }

  /** Of the person under the pointer what each modality says. */
  rows({ target }) {
    const under = this.#rows.find(({ canvas }) => canvas === target)?.who ?? this.#rows[0]?.who;
    return new Map(this.#rows.filter(({ who }) => who === under).map(({ who, modality }) => [t(PARTS[modality]), this.recording.strip(modality, who)]));
  }

  paint(window, step) {
    const { recording } = this;
    if (!recording?.people.length) return;
    this.#keep(this.#worth(recording), recording);
    for (const { canvas, who, modality } of this.#rows) this.#drawStrip(canvas, recording.strip(modality, who), window, step);
  }

  /** Whom there is room for: those of whom most is said, in order of appearance. */
  #worth(scene) {
    const { people } = scene;
    if (people.length <= MOST) return people;
    const length = (who) => Object.keys(PARTS).reduce((sum, modality) => sum + scene.strip(modality, who).reduce((s, p) => s + p.end - p.start, 0), 0);
    const longest = new Set([...people].sort((a, b) => length(b) - length(a)).slice(0, MOST));
    return people.filter((who) => longest.has(who));
  }

  #keep(people, scene) {
    const wanted = people.flatMap((who) => Object.keys(PARTS).filter((m) => scene.strip(m, who).length).map((modality) => ({ who, modality })));
    const keys = `${this.isLive}\n${wanted.map(({ who, modality }) => `${who} ${modality}`).join("\n")}`;
    if (keys === this.#keys) return;
    this.#keys = keys;
    this.#rows = wanted.map((row) => ({ ...row, canvas: element("canvas", { ariaHidden: "true" }) }));
    const parts = [];
    for (const who of people) {
      if (people.length > 1 || who) parts.push(element("p", { className: "person-name" }, capital(who ? whoever(who) : t("fusion.whoever"))));
      for (const { canvas, modality } of this.#rows.filter((row) => row.who === who)) {
        const className = `strip${modality === "fusion" ? " fused" : ""}${this.isLive ? " live" : ""}`;
        parts.push(element("div", { className }, element("span", { className: "strip-name" }, t(PARTS[modality])), canvas));
      }
    }
    this.body.replaceChildren(...parts);
  }

  #drawStrip(canvas, strip, window, step) {
    const sheet = paper(canvas);
    if (!sheet) return;
    const { context, width, height } = sheet;
    const { from, to, palette } = window;
    const at = (time) => ((time - from) / (to - from)) * width;
    context.font = `600 12px ${getComputedStyle(this.root).fontFamily}`;
    context.textBaseline = "middle";
    if (step) drawBins(context, binned(strip, step), { ...window, top: 2, width, height: height - 3 });
    for (const p of strip) {
      const [left, right] = [Math.max(0, at(p.start)), Math.min(width, at(p.end))];
      if (right <= 0 || left >= width || !best(p)) continue;
      const box = { left, wide: Math.max(2, right - left - 1), height };
      if (!step) drawSpan(context, box, p, palette[best(p)] ?? UNKNOWN);
      else if (isTorn(p)) drawEdge(context, box, height - 1);
    }
  }
}

/** Whether what all say together contradicts itself. */
const isTorn = (p) => p.modality === "fusion" && Boolean(p.reason);

function drawEdge(context, { left, wide }, bottom) {
  context.fillStyle = tint("record");
  context.fillRect(left, bottom - EDGE, wide, EDGE);
}

/** One answer: its colour; striped where it is not sure, with a red edge where a contradiction is said. */
function drawSpan(context, box, p, colour) {
  const { left, wide, height } = box;
  const edge = isTorn(p) ? EDGE : 0;
  context.save();
  context.beginPath();
  context.roundRect(left, 3, wide, height - 6, Math.min(5, wide / 2));
  context.fillStyle = colour;
  context.fill();
  context.clip();
  if (!p.label) stripes(context, left, wide, height);
  if (edge) drawEdge(context, box, height - 3);
  context.fillStyle = ink(colour);
  context.textAlign = "left";
  const said = p.label ? [`${labelled(p.label)} ${percent(p.confidence)}`, labelled(p.label)] : [answer(p)];
  const words = p.text ? cut(context, p.text, wide - 12) : said.find((one) => context.measureText(one).width < wide - 10);
  if (words) context.fillText(words, left + 6, (height - edge) / 2 + 0.5);
  context.restore();
}

/** As much of a text as there is room for. */
function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  const share = room / context.measureText(text).width;
  const part = text.slice(0, Math.max(0, Math.floor(text.length * share) - 2)).trimEnd();
  return part ? `${part}…` : "";
}

function stripes(context, left, wide, height) {
  context.strokeStyle = "rgb(255 255 255 / 45%)";
  context.lineWidth = 4;
  for (let x = left - height; x < left + wide + height; x += 11) {
    context.beginPath();
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
    context.stroke();
  }
}
