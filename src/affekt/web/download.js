// Results as files: every format of the program, and the sound as WAV.

import { SCHEMA } from "./recording.js";
import { say } from "./strings.js";

// As in write.py (a test compares them): format, suffix, whether it holds several recordings.
export const FORMATS = [
  ["json", ".json", true],
  ["jsonl", ".jsonl", true],
  ["csv", ".csv", true],
  ["srt", ".srt", false],
  ["audacity", ".txt", false],
  ["textgrid", ".TextGrid", false],
  ["elan", ".eaf", false],
  ["rttm", ".rttm", true],
  ["shares", ".shares.csv", true],
];
/** Names that are the same in every language; the others are in the table of strings. */
const NAMES = { json: "JSON", csv: "CSV", audacity: "Audacity", textgrid: "Praat TextGrid", elan: "ELAN", rttm: "RTTM" };

/** Buttons in `group`; `save(format)` is called with a format's name or "wav". */
export function offerDownloads(group, save, { sound = true } = {}) {
  for (const format of [...FORMATS.map(([name]) => name), ...(sound ? ["wav"] : [])]) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: NAMES[format] ?? "" });
    if (!NAMES[format]) say(button, `downloads.${format}`);
    button.dataset.format = format;
    button.addEventListener("click", () => save(format));
    group.append(button);
  }
}

/** Save recordings (one, or several where the format holds them) in a format; the server writes it. */
export async function download(api, recordings, format) {
  const [first] = recordings;
  const stem = recordings.length > 1 ? "recordings" : first.name.replace(/\.[^.]{1,5}$/, "");
  if (format === "wav") return save(first.wav(), `${stem}.wav`);
  const document = { schema: SCHEMA, results: recordings.map((r) => r.result()) };
  const [, suffix] = FORMATS.find(([name]) => name === format);
  return save(await api.convert(document, format), `${stem}${suffix}`);
}

/** Have the browser save it. */
export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
