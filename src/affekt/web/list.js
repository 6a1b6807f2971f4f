// The recordings of this visit: which one is shown, where each one stands, and what failed.

import { mostFrequent, shares } from "./bins.js";
import { lead } from "./shares.js";
import { button, element } from "./elements.js";
import { say, t, write } from "./strings.js";
import { isForeign } from "./said.js";
import { answer, best, failure, long, percent, tintChip } from "./words.js";

/** Draw the list; `acts` has choose(recording), retry(recording) and cancel(recording). */
export function drawRecordings(list, recordings, { chosen, acts }) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...recordings.map((recording, i) => row(recording, i, recording === chosen, acts)));
  if (focused) list.querySelector(`button[data-key="${focused}"]`)?.focus();
}

function row(recording, index, isChosen, acts) {
  const { state, file } = recording;
  const chip = element("span", { className: "chip" });
  tintChip(chip, standsFor(recording), recording.palette);
  const reason = element("span", { className: "recording-state" }, standing(recording));
  const choose = element("button", { type: "button", className: "recording", data: { key: `choose-${index}` } }, chip, element("span", { className: "recording-name" }, recording.name), reason);
  choose.addEventListener("click", () => acts.choose(recording));
  choose.setAttribute("aria-current", String(isChosen));
  choose.classList.toggle("failed", state === "failed");
  const small = (key, name, act) => {
    const made = button(t(key), act, { className: "quiet" });
    made.dataset.key = `${name}-${index}`;
    return made;
  };
  const again = state === "failed" && file ? small("problem.retry", "retry", () => acts.retry(recording)) : null;
  const isGoing = file && (state === "waiting" || state === "running");
  return element("li", {}, choose, again, isGoing ? small("state.cancel", "cancel", () => acts.cancel(recording)) : null);
}

/** What the swatch of a recording shows: of a long one what is most of the speech, as its words say. */
function standsFor({ summary, segments, nothing = "answer.none.speech" }) {
  const isWhole = nothing === "answer.none.speech" && lead(segments, { short: true });
  return (isWhole && mostFrequent(shares(segments))) || summary;
}

/** Where a recording stands, in words. */
export function standing({ state, reason, progress, summary, segments, duration, nothing = "answer.none.speech" }) {
  if (state === "failed") return failure(reason);
  if (state === "running" && progress) return `${t("state.running")}, ${percent(progress)}`;
  if (state !== "done") return t(`state.${state}`);
  const sure = best(summary) ? ` ${percent(summary.confidence)}` : "";
  const said = (nothing === "answer.none.speech" && lead(segments, { short: true })) || `${answer(summary, t(nothing))}${sure}`;
  return `${said}${duration ? ` · ${long(duration)}` : ""}`;
}

/** How many recordings there are and how many failed; each failure in full. `places` are elements, `retry(recording)` tries again. */
export function drawFailures(recordings, { count, failures, summary, list, all }, retry) {
  const failed = recordings.filter(({ state }) => state === "failed");
  const done = recordings.filter(({ state }) => state === "done").length;
  const going = recordings.length - failed.length - done;
  const parts = Object.entries({ done, going, failed: failed.length }).filter(([, n]) => n);
  count.hidden = recordings.length < 2;
  write(count, t("view.counts", { total: recordings.length, parts: parts.map(([name, n]) => t(`view.counts.${name}`, { n })).join(", ") }));
  failures.hidden = !failed.length;
  if (!failed.length) return;
  say(summary, failed.length === 1 ? "failures.one" : "failures.many", { n: failed.length });
  list.replaceChildren(...failed.map(({ name, reason }) => element("li", {}, element("strong", {}, name), element("span", isForeign(reason) ? { lang: "en" } : {}, failure(reason)))));
  const again = failed.filter(({ file }) => file);
  all.hidden = !again.length;
  all.onclick = () => again.forEach(retry);
}
