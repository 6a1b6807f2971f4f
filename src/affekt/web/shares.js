// Shares of labels drawn: bins of equal time as stacked columns, and the whole as one bar with a table.

import { element } from "./elements.js";
import { tint } from "./canvas.js";
import { mostFrequent, shares } from "./bins.js";
import { isLong } from "./long.js";
import { t } from "./strings.js";
import { labelled, long, percent, sharePercent } from "./words.js";

/** Columns of bins: each label's share of the time from below, then what is not sure, striped; silence stays empty. */
export function drawBins(context, bins, { from, to, left = 0, top, width, height, labels, palette }) {
  const at = (time) => left + ((time - from) / (to - from)) * width;
  const [stripe, line] = [stripes(context), tint("edge")];
  for (const bin of bins) {
    if (bin.end <= from || bin.start >= to) continue;
    const [x, gap] = [at(bin.start), at(bin.end) - at(bin.start) > 4 ? 1 : 0];
    const wide = Math.max(1, at(bin.end) - x - gap);
    // Where several speak at once, what they say shares the column.
    const all = Math.max(bin.end - bin.start, bin.spoken);
    let bottom = top + height;
    const stack = (seconds, colour) => {
      const high = (seconds / all) * height;
      context.fillStyle = colour;
      context.fillRect(x, bottom - high, wide, high);
      bottom -= high;
    };
    for (const label of labels) if (bin.seconds[label]) stack(bin.seconds[label], palette[label]);
    if (!bin.unsure) continue;
    stack(bin.unsure, stripe);
    context.fillStyle = line;
    context.fillRect(x, bottom, wide, Math.min(1, (bin.unsure / all) * height));
  }
}

/** What stands for "not sure" on a canvas; as the style sheet has it for elements. */
export function stripes(context) {
  const [ground, ink] = [tint("unsure-ground"), tint("unsure-ink")];
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.fillStyle = ground;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) {
    pen.moveTo(shift - 1, 7);
    pen.lineTo(shift + 7, -1);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

/** The colours of labels with their names, and the stripes of "not sure". */
export function legendItems(palette) {
  const item = (className, colour, words) => {
    const chip = element("span", { className });
    chip.style.backgroundColor = colour;
    return element("li", {}, chip, words);
  };
  const labels = Object.entries(palette).map(([label, colour]) => item("chip", colour, labelled(label)));
  return labels.length ? [...labels, item("chip unsure", "", t("answer.unsure"))] : [];
}

/** What most of the speech is, and how much is not sure, without a point; null of few segments, or no speech. */
export function lead(segments, { short = false } = {}) {
  if (!isLong(segments)) return null;
  const all = shares(segments);
  if (!all.spoken) return null;
  const most = mostFrequent(all);
  const unsure = sharePercent(all.unsure / all.spoken);
  if (!most) return `${t("answer.unsure")} ${unsure}`;
  if (short) return `${labelled(most.label)} ${percent(most.share)}`;
  const said = t("shares.most", { label: labelled(most.label, { within: true }), share: percent(most.share) });
  return all.unsure ? said + t("shares.unsure", { share: unsure }) : said;
}

/** One bar and a table of the shares: rows of label, seconds, share of the speech; what is not sure and silence at the end. */
export function shareParts(segments, { duration, labels, palette }) {
  const { seconds, unsure, spoken, silent } = shares(segments, { to: duration });
  if (!spoken) return [];
  const said = labels.filter((label) => seconds[label]).sort((a, b) => seconds[b] - seconds[a]);
  const rows = said.map((label) => ({ chip: "chip", colour: palette[label], words: labelled(label), time: seconds[label], share: seconds[label] / spoken }));
  if (unsure) rows.push({ chip: "chip unsure", colour: "", words: t("answer.unsure"), time: unsure, share: unsure / spoken });
  const bar = element("div", { className: "share-bar", ariaHidden: "true" });
  for (const { chip, colour, share } of rows) {
    const part = element("span", { className: chip.replace("chip", "share-part") });
    part.style.width = `${100 * share}%`;
    part.style.backgroundColor = colour;
    bar.append(part);
  }
  const head = element("tr", {}, ...["shares.emotion", "shares.time", "shares.share"].map((key) => element("th", { scope: "col" }, t(key))));
  const body = rows.map(({ chip, colour, words, time, share }) => {
    const swatch = element("span", { className: chip });
    swatch.style.backgroundColor = colour;
    return element("tr", {}, element("td", {}, swatch, words), element("td", {}, long(time)), element("td", {}, sharePercent(share)));
  });
  const rest = element("tr", { className: "muted" }, element("td", {}, t("shares.silence")), element("td", {}, long(silent)), element("td", {}, "–"));
  const table = element("table", { className: "share-table" }, element("caption", { className: "hidden" }, t("shares.caption")), element("thead", {}, head), element("tbody", {}, ...body, rest));
  return [bar, table];
}
