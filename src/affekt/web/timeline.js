// The tracks over one axis of time: waveform, spectrogram, probabilities, emotions, and the place that is heard.
// What is too narrow to be a segment is shown as shares of bins of equal time.

import { binned, lanes } from "./bins.js";
import { paper } from "./canvas.js";
import { ink } from "./colours.js";
import { element } from "./elements.js";
import { OverTime } from "./over-time.js";
import { drawProbabilities } from "./probabilities.js";
import { drawBins } from "./shares.js";
import { drawSpectrogram } from "./spectrogram.js";
import { language, say } from "./strings.js";
import { drawWaveform } from "./waveform.js";
import { answer, best, capital, isUnsure, percent, step as stepped, whoever } from "./words.js";

/** Seconds that are seen while one speaks. */
const LIVE = 12;
const UNKNOWN = "#8a8f98";
/** Pixels of a lane of segments, of one that is long and by itself, between a segment and the edges of its lane; of probabilities. */
const [LANE, HIGH, GAP, AREA] = [38, 60, 4, 76];
/** Pixels of a segment that are not for its words. */
const ROOM = 12;

/** "seek" with a time, "segment" with one that was chosen, "view" when another stretch is seen. */
export class Timeline extends OverTime {
  /** The number of the only lane that counts, or null. */
  lane = null;
  #spans = new Map();
  #widths = new Map(); // of words in segments, in pixels

  constructor(root) {
    const by = (id) => document.getElementById(id);
    const zooms = { further: by("zoom-out"), whole: by("zoom-all"), closer: by("zoom-in") };
    const parts = Object.fromEntries(["axis", "overview", "playhead", "readout", "legend"].map((id) => [id, by(id)]));
    super({ root, area: by("over-time"), slider: by("seek"), zooms, ...parts }, { live: LIVE });
    for (const id of ["waveform", "spectrogram", "probabilities", "spans", "bins", "empty", "probabilities-name", "spans-name"]) this[id] = by(id);
  }

  show(recording) {
    this.#spans.clear();
    this.spans.replaceChildren(this.bins);
    this.readout.hide();
    const same = super.show(recording);
    if (!same) this.lane = null;
    return same;
  }

  /** Let one lane count, the others fade; the same again: all. Gives its name, or null where all count. */
  choose(number) {
    const names = [...lanes(this.recording?.segments ?? []).keys()];
    if (number >= names.length || names.length < 2) return undefined;
    this.lane = this.lane === number ? null : number;
    this.draw();
    return this.lane === null ? null : names[number];
  }

  get counting() {
    const segments = this.recording?.segments ?? [];
    return this.lane === null ? segments : [...lanes(segments).values()][this.lane];
  }

  /** Pixels of a lane of emotions: shares need more than names, and nothing jumps when one comes closer. */
  get #lane() {
    return lanes(this.recording?.segments ?? []).size < 2 && this.stepOf(this.length) ? HIGH : LANE;
  }

  paint(window, step) {
    const { recording } = this;
    this.empty.hidden = Boolean(recording);
    const hasSound = Boolean(recording?.samples) || recording?.state !== "done";
    for (const name of ["waveform", "spectrogram"]) this[name].parentElement.hidden = !hasSound;
    const heard = { ...window, speech: recording?.speech ?? [] };
    drawWaveform(this.waveform, (recording?.fields?.channel === "each" && recording.channels) || [recording?.samples], heard);
    drawSpectrogram(this.spectrogram, recording?.mel, heard);
    this.#drawProbabilities(window, step);
    this.#drawEmotions(window, step);
  }

  #drawProbabilities(window, step) {
    const recording = this.recording;
    const parts = recording?.windows.length ? [recording.windows] : [...lanes(recording?.segments ?? []).values()];
    this.probabilities.style.height = parts.length > 1 ? `${Math.max(34, AREA / parts.length) * parts.length}px` : "";
    drawProbabilities(this.probabilities, step ? parts.map((part) => binned(part, step)) : parts, { ...window, lane: this.lane });
    if (step) say(this["probabilities-name"], "view.probabilities.mean", { step: stepped(step) });
    else say(this["probabilities-name"], "view.probabilities");
  }

  #drawEmotions(window, step) {
    const recording = this.recording;
    const table = lanes(recording?.segments ?? []);
    const high = this.#lane;
    this.spans.style.height = `${high * table.size}px`;
    this.bins.hidden = !step;
    if (step) say(this["spans-name"], "view.emotions.shares", { step: stepped(step) });
    else say(this["spans-name"], "view.emotions");
    const sheet = step && paper(this.bins);
    if (sheet) [...table.values()].forEach((part, i) => {
      sheet.context.globalAlpha = this.lane === null || this.lane === i ? 1 : 0.25;
      drawBins(sheet.context, binned(part, step), { ...window, top: high * i + 2, width: sheet.width, height: high - 3 });
    });
    this.#drawSpans(recording && !step ? [...recording.segments, ...(recording.unstable ? [recording.unstable] : [])] : []);
    this.#nameLanes([...table.keys()]);
  }

  #drawSpans(segments) {
    const seen = new Set();
    const names = [...lanes(this.recording?.segments ?? []).keys()];
    const high = this.#lane;
    for (const segment of segments) {
      if (segment.end <= this.from || segment.start >= this.to) continue;
      const key = `${segment.start} ${segment.end} ${segment.label} ${segment.unstable} ${segment.who}`;
      seen.add(key);
      if (!this.#spans.has(key)) this.#spans.set(key, this.#span(segment));
      const span = this.#spans.get(key);
      const lane = Math.max(0, names.indexOf(segment.who ?? ""));
      const width = this.view.share(segment.end) - this.view.share(segment.start);
      span.style.left = `${100 * this.view.share(segment.start)}%`;
      span.style.top = `${high * lane + GAP}px`;
      span.style.height = `${high - 2 * GAP}px`;
      span.style.width = `${100 * width}%`;
      span.classList.toggle("faded", this.lane !== null && this.lane !== lane);
      this.#fit(span, segment, width * this.spans.clientWidth - ROOM);
    }
    for (const [key, span] of this.#spans) {
      if (seen.has(key)) continue;
      span.remove();
      this.#spans.delete(key);
    }
  }

  /** As many words as there is room for: the label with its confidence, the label, or none. */
  #fit(span, segment, room) {
    const label = answer(segment);
    const sure = best(segment) && !segment.skipped ? percent(segment.confidence) : "";
    const words = [`${label} ${sure}`.trim(), label].find((one) => this.#wide(one) <= room) ?? "";
    if (span.textContent !== words) span.textContent = words;
  }

  #wide(words) {
    if (!this.#widths.has(words)) {
      const { context } = paper(this.axis) ?? { context: this.axis.getContext("2d") };
      context.font = `600 13px ${getComputedStyle(this.root).fontFamily}`;
      this.#widths.set(words, context.measureText(words).width);
    }
    return this.#widths.get(words);
  }

  #span(segment) {
    // The list below says the same to keyboards and screen readers.
    const span = element("button", { type: "button", className: "span", tabIndex: -1 });
    span.setAttribute("aria-hidden", "true");
    const colour = segment.skipped ? UNKNOWN : (this.recording.palette[best(segment)] ?? UNKNOWN);
    span.classList.toggle("unsure", isUnsure(segment));
    span.classList.toggle("unstable", Boolean(segment.unstable));
    span.style.backgroundColor = colour;
    span.style.color = ink(colour);
    span.addEventListener("click", () => this.dispatchEvent(new CustomEvent("segment", { detail: segment })));
    this.spans.append(span);
    return span;
  }

  /** Who or which channel each lane is, with the key that chooses it. */
  #nameLanes(names) {
    const wanted = names.length > 1 ? names : [];
    const key = `${wanted} ${this.lane} ${language()}`;
    if (this.spans.dataset.lanes === key && this.spans.querySelectorAll(".lane-tag").length === wanted.length) return;
    this.spans.dataset.lanes = key;
    for (const tag of this.spans.querySelectorAll(".lane-tag")) tag.remove();
    wanted.forEach((name, i) => {
      const tag = element("span", { className: "lane-tag" }, `${i < 9 ? `${i + 1} ` : ""}${capital(whoever(name))}`);
      tag.style.top = `${LANE * i}px`;
      tag.classList.toggle("chosen", this.lane === i);
      this.spans.append(tag);
    });
  }
}
