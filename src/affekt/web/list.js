// The recordings of this visit: which one is shown, and where each one stands.

import { best, long, percent, answer } from "./words.js";

const STATES = { live: "recording", finishing: "finishing", waiting: "waiting", running: "running" };

/** Draw the list; `acts` has choose(recording), retry(recording) and cancel(recording). */
export function drawRecordings(list, recordings, { chosen, acts }) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...recordings.map((recording, i) => row(recording, i, recording === chosen, acts)));
  if (focused) list.querySelector(`button[data-key="${focused}"]`)?.focus();
}

function row(recording, index, isChosen, acts) {
  const item = document.createElement("li");
  const choose = button("recording", `choose-${index}`, () => acts.choose(recording));
  choose.setAttribute("aria-current", String(isChosen));
  choose.classList.toggle("failed", recording.state === "failed");
  const chip = part("chip", "");
  chip.style.backgroundColor = recording.palette[best(recording.summary)] ?? "";
  choose.append(chip, part("recording-name", recording.name), part("recording-state", standing(recording)));
  item.append(choose);
  const again = recording.state === "failed" && recording.file;
  if (again) item.append(small("Try again", `retry-${index}`, () => acts.retry(recording)));
  if (recording.file && (recording.state === "waiting" || recording.state === "running")) item.append(small("Cancel", `cancel-${index}`, () => acts.cancel(recording)));
  return item;
}

/** Where a recording stands, in words. */
export function standing({ state, reason, progress, summary, duration, nothing }) {
  if (state === "failed") return reason;
  if (state === "running" && progress) return `${STATES.running}, ${percent(progress)}`;
  if (state !== "done") return STATES[state];
  const sure = best(summary) ? ` ${percent(summary.confidence)}` : "";
  return `${answer(summary, nothing)}${sure}${duration ? ` · ${long(duration)}` : ""}`;
}

function part(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent });
}

function button(className, key, act) {
  const element = Object.assign(document.createElement("button"), { type: "button", className });
  element.dataset.key = key;
  element.addEventListener("click", act);
  return element;
}

function small(words, key, act) {
  return Object.assign(button("quiet", key, act), { textContent: words });
}
