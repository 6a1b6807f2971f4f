// Numbers and names as people read them, in the language of the page.

import { translated } from "./said.js";
import { known, t } from "./strings.js";

/** 75.24 -> "1:15.2"; with hours where there are some. */
export function clock(seconds, digits = 1) {
  const tenths = Math.round(Math.max(0, seconds) * 10 ** digits);
  const whole = Math.floor(tenths / 10 ** digits);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const fraction = digits ? `.${String(tenths % 10 ** digits).padStart(digits, "0")}` : "";
  const head = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${head}:${String(rest).padStart(2, "0")}${fraction}`;
}

export const percent = (p) => `${Math.round(100 * p)} %`;

/** Of a share: what there is a little of is not nothing. */
export const sharePercent = (p) => (p > 0 && p <= 0.005 ? "< 1 %" : percent(p));

/** Why something failed, as a sentence of the page: what the server said, or what the page says itself. */
export const failure = (reason) => capital(translated(reason));

/** Words of a label or an answer as they stand inside a sentence. */
export const inside = (words) => words.charAt(0).toLowerCase() + words.slice(1);

export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** How long, in words: "2.4 s", "3 min 10 s", "2 h 5 min". */
export function long(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole >= 3600) return t("time.hours", { hours: Math.floor(whole / 3600), minutes: Math.floor(whole / 60) % 60 });
  return t("time.long", { minutes: Math.floor(whole / 60), seconds: whole % 60 });
}

/** A length of bins: "15 s", "2 min". */
export const step = (seconds) => (seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`);

/** A label in the language of the page, `within` a sentence or at its beginning; labels that the table does not have stay as they are. */
export function labelled(label, { within = false } = {}) {
  const word = known(`label.${label}`) ? t(`label.${label}`) : label;
  return within ? word : capital(word);
}

/** What a prediction says: its label, or that it is not sure, or that there is none; `within` a sentence or by itself. */
export function answer(prediction, none = t("answer.none.speech"), { within = false } = {}) {
  if (!prediction?.skipped && prediction?.label) return labelled(prediction.label, { within });
  const words = prediction?.skipped ? t("answer.skipped") : best(prediction) ? t("answer.unsure") : none;
  return within ? inside(words) : words;
}

/** Who it is: channels and faces by number in the language of the page, names as they are. */
export function whoever(who) {
  const [, number] = /^face (\d+)$/.exec(who) ?? [];
  if (number) return t("who.face", { n: number });
  if (who === "face") return t("who.some.face");
  return known(`who.${who}`) ? t(`who.${who}`) : who;
}

/** The same, with the name of who it is before it. */
export const named = (prediction) => (prediction.who ? `${whoever(prediction.who)}: ${answer(prediction)}` : answer(prediction));

/** The label whose colour stands for a prediction. */
export function best(prediction) {
  if (!prediction) return null;
  if (prediction.label || prediction.best) return prediction.label ?? prediction.best;
  const scores = Object.entries(prediction.scores ?? {});
  return scores.length ? scores.reduce((a, b) => (b[1] > a[1] ? b : a))[0] : null;
}

/** Whether a prediction has a guess that it is not sure of: its swatch is then striped. */
export const isUnsure = (prediction) => Boolean(prediction && !prediction.skipped && !prediction.label && best(prediction));

/** Give an element that stands for a prediction its colour; stripes say "not sure". */
export function tintChip(chip, prediction, palette) {
  chip.style.backgroundColor = prediction?.skipped ? "" : (palette[best(prediction)] ?? "");
  chip.classList.toggle("unsure", isUnsure(prediction));
}

/** The confidence as a word; the borders are those of the words only, the number stands beside. */
export function strength(confidence) {
  if (confidence >= 0.7) return t("strength.clear");
  return confidence >= 0.5 ? t("strength.fair") : t("strength.weak");
}

/** Why an answer is weak: what the server says of it, and what only the page knows; an empty text where nothing is. */
export function why(prediction, { lost = false } = {}) {
  if (prediction.skipped) return t("why.skipped");
  const reasons = [translated(prediction.reason), lost && best(prediction) ? t("why.lost") : ""];
  return reasons.filter(Boolean).join("; ");
}
