// Why an answer is weak, in plain words, from what can be measured.

import { best, percent } from "./words.js";

/** Sentences that say what speaks against trusting a prediction; none where nothing does. */
export function reasons(prediction, { samples = null, lost = false } = {}) {
  if (prediction.skipped) return ["the pitch of this voice lies on the other side of 165 Hz, and Settings leave it out"];
  if (!best(prediction)) return [];
  return [...ofScores(prediction), ...ofSignal(prediction, samples), ...(lost ? ["emotions are left out, so confidence is too high"] : [])];
}

/** The same for a recording as a whole. */
export function reasonsAll(recording) {
  const { segments, summary } = recording;
  const heard = [...new Set(segments.map(best).filter(Boolean))];
  if (heard.length < 2) return reasons(summary, recording);
  return [`its segments differ (${heard.slice(0, 3).join(", ")}${heard.length > 3 ? ", …" : ""}): look at them one by one`];
}

function ofScores(prediction) {
  const found = [];
  const [first, second] = Object.entries(prediction.scores).sort((a, b) => b[1] - a[1]);
  if (prediction.unsure) found.push(`below what this model takes to answer; its guess is ${first[0]}`);
  if (second && first[1] - second[1] < 0.15) found.push(`${first[0]} (${percent(first[1])}) and ${second[0]} (${percent(second[1])}) sound alike here`);
  else if (first[1] < 0.5) found.push("no emotion stands out");
  return found;
}

function ofSignal(prediction, samples) {
  const found = [];
  const { start, end, quality } = prediction;
  if (end - start < 1) found.push(`short: ${(end - start).toFixed(1)} s of speech`);
  const { rms, clipped } = samples?.length ? samples.level(start, end) : { rms: 0, clipped: 0 };
  if (clipped > 0.001) found.push("overdriven: move away from the microphone");
  else if (rms < -45) found.push(`very quiet (${Math.round(rms)} dB)`);
  else if (quality < 0.5) found.push(`poor signal (quality ${quality.toFixed(1)}): noise, echo or distortion`);
  return found;
}
