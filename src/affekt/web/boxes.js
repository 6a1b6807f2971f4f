// Faces over a picture: a box, a name, what it looks like, and the three most probable as bars.

import { paper } from "./canvas.js";
import { ink } from "./colours.js";
import { drawMap } from "./overlay.js";
import { translated } from "./said.js";
import { t } from "./strings.js";
import { answer, best, capital, labelled, percent, whoever } from "./words.js";

const UNKNOWN = "#8a8f98";
const [SHOWN, ROW, BAR] = [3, 15, 54];
const PLATE = "rgb(18 20 25 / 78%)";

/** Draw faces {box, who, label, scores, ...} over all of a canvas, and below them a `picture` and the `map` of one of them, if there are. */
export function drawFaces(canvas, faces, { palette = {}, mirror = false, chosen = null, picture = null, map = null } = {}) {
  const sheet = paper(canvas);
  if (!sheet) return;
  if (picture) drawBelow(sheet, picture, mirror);
  const mapped = map?.values ? faces.find((face) => face.box && face.who === map.who) : null;
  if (mapped) drawMap(sheet, map, { box: mapped.box, mirror });
  const family = getComputedStyle(canvas).fontFamily;
  // The largest last, so that nothing lies over it.
  for (const face of [...faces].filter((f) => f.box).reverse()) drawFace(sheet, face, { palette, mirror, family, chosen });
}

function drawBelow({ context, width, height }, picture, mirror) {
  context.save();
  if (mirror) context.transform(-1, 0, 0, 1, width, 0);
  context.drawImage(picture, 0, 0, width, height);
  context.restore();
}

function drawFace({ context, width, height }, face, { palette, mirror, family, chosen }) {
  const [left, top, wide, high] = face.box;
  const box = { x: (mirror ? 1 - left - wide : left) * width, y: top * height, w: wide * width, h: high * height };
  const colour = palette[best(face)] ?? UNKNOWN;
  outline(context, box, { colour, dashed: !face.label, strong: face.who === chosen });
  const words = `${whoever(face.who ?? "face")}  ${answer(face, t("answer.none"))}${best(face) ? ` ${percent(face.confidence)}` : ""}`;
  plate(context, { ...box, words, colour, font: `600 13px ${family}` }, { width });
  const rows = top3(face, palette);
  const small = `500 11px ${family}`;
  const bottom = box.y + box.h + 4;
  const room = height - bottom;
  if (face.reason && room >= ROW + 4) note(context, { x: box.x, y: bottom, words: capital(translated(face.reason)), font: small }, { width });
  const below = bottom + (face.reason ? ROW + 6 : 0);
  if (!rows.length) return;
  if (height - below >= ROW * rows.length + 6) bars(context, rows, { x: box.x, y: below, font: small }, { width });
  else if (box.h > 110) bars(context, rows, { x: box.x + 5, y: box.y + box.h - ROW * rows.length - 11, font: small }, { width });
}

function top3(face, palette) {
  const sorted = Object.entries(face.scores ?? {}).sort((a, b) => b[1] - a[1]);
  return sorted.slice(0, SHOWN).map(([label, p]) => ({ label, p, colour: palette[label] ?? UNKNOWN }));
}

/** A frame that can be seen on any picture. */
export function outline(context, { x, y, w, h }, { colour, dashed, strong }) {
  context.save();
  context.beginPath();
  context.roundRect(x, y, w, h, 6);
  context.lineWidth = strong ? 6 : 5;
  context.strokeStyle = PLATE;
  context.stroke();
  context.setLineDash(dashed ? [7, 5] : []);
  context.lineWidth = strong ? 3.5 : 2.5;
  context.strokeStyle = colour;
  context.stroke();
  context.restore();
}

/** Words on a plate above a box. */
export function plate(context, { x, y, words, colour, font }, { width }) {
  context.font = font;
  const wide = context.measureText(words).width + 14;
  const left = Math.max(0, Math.min(x - 2, width - wide));
  const above = y - 24 >= 0 ? y - 24 : y + 4;
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left, above, wide, 21, 5);
  context.fill();
  context.fillStyle = ink(colour);
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(words, left + 7, above + 11);
}

function note(context, { x, y, words, font }, { width }) {
  context.font = font;
  const wide = context.measureText(words).width + 12;
  const left = Math.max(0, Math.min(x, width - wide));
  context.fillStyle = PLATE;
  context.beginPath();
  context.roundRect(left, y, wide, ROW + 3, 4);
  context.fill();
  context.fillStyle = "#ffffff";
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(words, left + 6, y + (ROW + 4) / 2);
}

function bars(context, rows, { x, y, font }, { width }) {
  context.font = font;
  const names = Math.max(...rows.map(({ label }) => context.measureText(labelled(label)).width));
  const wide = names + BAR + 50;
  const left = Math.max(0, Math.min(x, width - wide));
  context.fillStyle = PLATE;
  context.beginPath();
  context.roundRect(left, y, wide, ROW * rows.length + 6, 5);
  context.fill();
  context.textBaseline = "middle";
  rows.forEach(({ label, p, colour }, i) => {
    const middle = y + 3 + ROW * (i + 0.5);
    context.fillStyle = "#ffffff";
    context.textAlign = "left";
    context.fillText(labelled(label), left + 6, middle + 0.5);
    context.textAlign = "right";
    context.fillText(percent(p), left + wide - 6, middle + 0.5);
    context.fillStyle = "rgb(255 255 255 / 22%)";
    context.fillRect(left + names + 12, middle - 4, BAR, 8);
    context.fillStyle = colour;
    context.fillRect(left + names + 12, middle - 4, BAR * p, 8);
  });
}
