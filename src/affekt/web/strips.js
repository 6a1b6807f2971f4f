// Strips over one axis of time: of each person what all say together, the voice, the face and the words.

import { drawAxis } from "./axis.js";
import { paper, tint } from "./canvas.js";
import { ink } from "./colours.js";
import { element } from "./elements.js";
import { PARTS } from "./scene.js";
import { t } from "./strings.js";
import { answer, best, capital, labelled, percent } from "./words.js";

/** Seconds that are seen of a live stream, and people who are shown at a time. */
const [LIVE, MOST] = [20, 8];
const UNKNOWN = "#8a8f98";

/** "seek" with a time in seconds. */
export class Strips extends EventTarget {
  #rows = [];
  #keys = "";
  #asked = null;
  #window = { from: 0, to: 1 };

  constructor(root) {
    super();
    this.root = root;
    this.axis = element("canvas", { className: "axis" });
    new ResizeObserver(() => this.show(this.scene, { time: this.time })).observe(root);
  }

  /** Forget the rows: the language changed. */
  redraw() {
    this.#keys = "";
  }

  /** Draw what is known, at the next frame; `time` is what the picture shows. */
  show(scene, { time = 0 } = {}) {
    [this.scene, this.time] = [scene, time];
    this.#asked ??= requestAnimationFrame(() => {
      this.#asked = null;
      this.#draw();
    });
  }

  #draw() {
    const { scene } = this;
    const people = scene ? this.#worth(scene) : [];
    this.root.hidden = !people.length;
    if (!people.length) return;
    const live = scene.state === "live";
    const to = live ? Math.max(LIVE, scene.duration) : Math.max(0.5, scene.duration);
    this.#window = { from: live ? to - LIVE : 0, to };
    this.#keep(people, scene, live);
    for (const { canvas, who, modality } of this.#rows) this.#drawStrip(canvas, scene.strip(modality, who), scene.palette);
    drawAxis(this.axis, this.#window);
  }

  /** Whom there is room for: those of whom most is said, in order of appearance. */
  #worth(scene) {
    const { people } = scene;
    const length = (who) => Object.keys(PARTS).reduce((sum, modality) => sum + scene.strip(modality, who).reduce((s, p) => s + p.end - p.start, 0), 0);
    const longest = new Set([...people].sort((a, b) => length(b) - length(a)).slice(0, MOST));
    return people.filter((who) => longest.has(who));
  }

  #keep(people, scene, live) {
    const wanted = people.flatMap((who) => Object.keys(PARTS).filter((m) => scene.strip(m, who).length).map((modality) => ({ who, modality })));
    const keys = `${live}\n${wanted.map(({ who, modality }) => `${who} ${modality}`).join("\n")}`;
    if (keys === this.#keys) return;
    this.#keys = keys;
    this.#rows = wanted.map((row) => ({ ...row, canvas: element("canvas", { ariaHidden: "true" }) }));
    const parts = [];
    for (const who of people) {
      if (people.length > 1 || who) parts.push(element("p", { className: "person-name" }, who ? capital(who) : capital(t("fusion.whoever"))));
      for (const { canvas, modality } of this.#rows.filter((row) => row.who === who)) {
        canvas.addEventListener("click", ({ offsetX }) => live || this.#seek(offsetX / canvas.clientWidth));
        const className = `strip${modality === "fusion" ? " fused" : ""}${live ? " live" : ""}`;
        parts.push(element("div", { className }, element("span", { className: "strip-name" }, t(PARTS[modality])), canvas));
      }
    }
    this.root.replaceChildren(...parts, element("div", { className: "strip-axis" }, this.axis));
  }

  #seek(share) {
    const { from, to } = this.#window;
    this.dispatchEvent(new CustomEvent("seek", { detail: from + share * (to - from) }));
  }

  #drawStrip(canvas, strip, palette) {
    const sheet = paper(canvas);
    if (!sheet) return;
    const { context, width, height } = sheet;
    const { from, to } = this.#window;
    const at = (time) => ((time - from) / (to - from)) * width;
    context.font = `600 12px ${getComputedStyle(this.root).fontFamily}`;
    context.textBaseline = "middle";
    for (const p of strip) {
      const [left, right] = [Math.max(0, at(p.start)), Math.min(width, at(p.end))];
      if (right <= 0 || left >= width || !best(p)) continue;
      drawSpan(context, { left, wide: Math.max(2, right - left - 1), height }, p, palette[best(p)] ?? UNKNOWN);
    }
    if (this.scene.state === "live") return;
    context.fillStyle = tint("record");
    context.fillRect(at(this.time) - 1, 0, 2, height);
  }
}

/** One answer: its colour; striped where it is not sure, with a red edge where a contradiction is said. */
function drawSpan(context, { left, wide, height }, p, colour) {
  const edge = p.modality === "fusion" && p.reason ? 4 : 0;
  context.save();
  context.beginPath();
  context.roundRect(left, 3, wide, height - 6, Math.min(5, wide / 2));
  context.fillStyle = colour;
  context.fill();
  context.clip();
  if (!p.label) stripes(context, left, wide, height);
  if (edge) {
    context.fillStyle = tint("record");
    context.fillRect(left, height - 3 - edge, wide, edge);
  }
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
