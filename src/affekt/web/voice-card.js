// What is said of a recording of voices: the card of now, and the recording as a whole. The offline page has the same.

import { mostFrequent, shares } from "./bins.js";
import { isLong } from "./long.js";
import { element } from "./elements.js";
import { translated } from "./said.js";
import { lead, shareParts } from "./shares.js";
import { say, t, write } from "./strings.js";
import { answer, best, capital, labelled, percent, sharePercent, strength, tintChip, whoever, why } from "./words.js";

const find = (id) => document.getElementById(id);

/** What the card is about: while one speaks the newest window; later the segment at a place that was chosen or is heard, before that the whole. */
export function pointed(recording, { time, playing, placed }) {
  if (!recording) return null;
  if (recording.state === "live") return recording.windows.at(-1) ?? null;
  const here = recording.segments.find((s) => s.start <= time && time < s.end) ?? null;
  // The first segment may start at 0, where a recording stands when it is opened.
  return time > 0 || playing ? here : (placed && here) || recording.summary;
}

/** Draw the card of a prediction of `recording`, null where there is none; `palette` where that has no labels yet. */
export function drawCard(bars, prediction, { recording, palette }) {
  const colours = recording?.labels.length ? recording.palette : palette;
  const isLive = recording?.state === "live";
  const isWhole = Boolean(prediction) && prediction === recording?.summary;
  const silent = isLive && !recording.speech.some((s) => s.end === undefined);
  say(find("now-title"), !recording || isLive ? "now.title" : isWhole ? "now.all" : "now.here");
  find("now").classList.toggle("silent", silent);
  bars.name(colours);
  // The mean of many different moods is none of them: of a long recording the shares are shown.
  const asShares = isWhole && isLong(recording.segments);
  find("bars").setAttribute("aria-label", t(asShares ? "shares.bars" : "now.bars"));
  find("bars-name").hidden = !asShares;
  if (asShares) return drawWhole(bars, recording, colours);
  const sure = best(prediction) ? percent(prediction.confidence) : "";
  bars.show(prediction?.scores ?? {}, { faded: !prediction || silent });
  write(find("heard"), prediction ? answer(prediction) : t(waiting(recording)));
  tintChip(find("heard-chip"), prediction, colours);
  find("heard-confidence").textContent = sure;
  find("confidence").textContent = sure ? `${sure}, ${strength(prediction.confidence)}` : "–";
  find("quality").textContent = sure ? percent(prediction.quality) : "–";
  const because = isLive || !prediction ? "" : why(prediction, recording);
  find("heard-why").textContent = because ? `${capital(because)}.` : "";
}

/** A long recording as a whole: what most of the speech is. */
function drawWhole(bars, { segments, summary }, palette) {
  const { seconds, unsure, spoken } = shares(segments);
  const most = mostFrequent({ seconds, spoken });
  bars.show(Object.fromEntries(Object.entries(seconds).map(([label, time]) => [label, time / spoken])), { faded: !spoken });
  write(find("heard"), most ? t("shares.often", { label: labelled(most.label, { within: true }) }) : t("answer.unsure"));
  tintChip(find("heard-chip"), most, palette);
  find("heard-confidence").textContent = most ? percent(most.share) : "";
  find("heard-why").textContent = unsure ? t("shares.unsure.by.itself", { share: sharePercent(unsure / spoken) }) : "";
  find("confidence").textContent = "–";
  find("quality").textContent = percent(summary.quality);
}

function waiting(recording) {
  if (recording?.state === "live") return "now.listening";
  if (["finishing", "running", "waiting"].includes(recording?.state)) return "now.working";
  return recording?.state === "done" ? "now.nobody" : "now.nothing";
}

/** A recording in one sentence, or one for each person. */
export function summed({ summary, summaries, segments }) {
  if (!best(summary)) return t("summary.no.speech");
  const people = Object.entries(summaries);
  const said = (one) => answer(one, undefined, { within: true });
  if (people.length > 1) return `${people.map(([who, one]) => `${capital(whoever(who))}: ${lead(segments.filter((s) => s.who === who)) ?? `${said(one)}, ${percent(one.confidence)}`}`).join("; ")}.`;
  const whole = lead(segments) ?? t("summary.all", { answer: said(summary), confidence: percent(summary.confidence) });
  return `${whole}; ${t(segments.length === 1 ? "summary.segments.one" : "summary.segments.many", { n: segments.length })}.`;
}

/** Of more than a few segments: how much of the speech each label has, by who. */
export function drawShares(root, recording) {
  const isShown = Boolean(recording.summary) && isLong(recording.segments);
  root.hidden = !isShown;
  if (!isShown) return root.replaceChildren();
  const people = Object.keys(recording.summaries).length > 1 ? Object.keys(recording.summaries) : [null];
  const parts = people.map((who) => {
    const own = who === null ? recording.segments : recording.segments.filter((segment) => segment.who === who);
    return element("div", { className: "share-person" }, who === null ? null : element("h3", {}, capital(whoever(who))), ...shareParts(own, recording));
  });
  root.replaceChildren(...parts);
}

/** The results below the timeline, of a recording that has some; `summary`, `warnings`, and its shares. */
export function drawSummary(recording) {
  find("results-summary").textContent = recording.summary ? summed(recording) : "";
  find("warnings").hidden = !recording.warnings.length;
  find("warnings").replaceChildren(...recording.warnings.map((words) => element("li", {}, translated(words))));
  drawShares(find("shares"), recording);
}
