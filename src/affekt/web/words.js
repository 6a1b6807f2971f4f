// Numbers and names as people read them.

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

export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** How long, in words: "2.4 s", "3 min 10 s". */
export function long(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** What a prediction says: its label, or that it is not sure, or that there is none. */
export function answer(prediction, none = "No speech") {
  if (prediction?.skipped) return "Left out";
  if (prediction?.label) return capital(prediction.label);
  return best(prediction) ? "Not sure" : none;
}

/** The same, with the name of who it is before it. */
export const named = (prediction) => (prediction.who ? `${prediction.who}: ${answer(prediction)}` : answer(prediction));

/** The label whose colour stands for a prediction. */
export function best(prediction) {
  if (!prediction) return null;
  if (prediction.label || prediction.best) return prediction.label ?? prediction.best;
  const scores = Object.entries(prediction.scores ?? {});
  return scores.length ? scores.reduce((a, b) => (b[1] > a[1] ? b : a))[0] : null;
}

/** The confidence as a word; the borders are those of the words only, the number stands beside. */
export function strength(confidence) {
  if (confidence >= 0.7) return "clear";
  return confidence >= 0.5 ? "fair" : "weak";
}

/** Why an answer is weak: what the server says of it, and what only the page knows; an empty text where nothing is. */
export function why(prediction, { lost = false } = {}) {
  if (prediction.skipped) return "the pitch of this voice lies on the other side of 165 Hz, and Settings leave it out";
  const known = [prediction.reason, lost && best(prediction) ? "emotions are left out, so confidence is too high" : ""];
  return known.filter(Boolean).join("; ");
}
