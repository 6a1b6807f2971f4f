// A video, or what camera and microphone give: what voice, faces and words say, each and together, on one clock.

import { Seen } from "./seen.js";

/** The strips of a person, from above; the keys of what they are called. */
export const PARTS = { fusion: "fusion.together", speech: "tabs.speech", face: "fusion.face", text: "fusion.words" };
/** Seconds of a live stream that are kept for drawing, and for which the newest answer counts as of now. */
const [KEPT, RECENT] = [60, 1];

export class Scene extends Seen {
  /** Everything that is final, of all modalities; `segments` are those of all together. */
  everything = [];
  /** Live: what was answered about each moment, by strip: "modality\nwho". */
  newest = new Map();
  #strips = null; // what is final by strip
  #reached = 0; // seconds of a live stream, of whichever has come further

  get duration() {
    return Math.max(super.duration, this.#reached);
  }

  take(result) {
    super.take(result);
    this.#settle(result.segments);
  }

  /** Take one event of a live stream. */
  event(event) {
    const { type, time, stable, ...fields } = event;
    this.#reached = Math.max(this.#reached, time + this.before);
    if (type === "summary") super.event(event);
    else if (type === "segment") {
      if (!stable) return;
      const shifted = { ...fields, start: fields.start + this.before, end: fields.end + this.before };
      this.#settle([...this.everything, shifted]);
    } else if (type === "frame") {
      super.event(event);
      for (const face of fields.faces) this.#note("face", { ...face, start: time, end: time });
    } else if (type === "partial") this.#note("speech", fields);
    else if (type === "fused") this.#note("fusion", fields);
  }

  /** Who there is, in order of appearance; null where nobody is told apart. */
  get people() {
    const all = this.state === "live" ? [...this.newest.values()].flat() : this.everything;
    return [...new Set([...all].sort((a, b) => a.start - b.start).map(({ who }) => who ?? null))];
  }

  /** The strip of a person and a modality. */
  strip(modality, who) {
    if (this.state === "live") return this.newest.get(key(modality, who)) ?? [];
    // Kept: bins are counted once for an array.
    this.#strips ??= byStrip(this.everything);
    return this.#strips.get(key(modality, who)) ?? [];
  }

  /** What each modality says of a person at a time. */
  said(who, time) {
    const at = (p) => (this.state === "live" ? time - p.end < RECENT : p.start <= time && time < p.end);
    return Object.fromEntries(Object.keys(PARTS).map((modality) => [modality, this.strip(modality, who).findLast(at) ?? null]));
  }

  /** The faces at a time; where all together contradict each other, with the server's words for it. */
  facesAt(time) {
    return super.facesAt(time).map((face) => this.#contradicted(face, this.state === "live" ? this.duration : time));
  }

  get sightings() {
    return this.everything.filter((p) => p.modality === "face");
  }

  result() {
    return { ...super.result(), segments: this.everything, summaries: this.summaries };
  }

  #contradicted(face, time) {
    const { fusion } = this.said(face.who ?? null, time);
    return fusion?.reason ? { ...face, reason: fusion.reason } : face;
  }

  #settle(segments) {
    [this.everything, this.#strips] = [segments, null];
    this.segments = segments.filter((p) => p.modality === "fusion");
  }

  /** Moments with the same answer become one. */
  #note(modality, fields) {
    const name = key(modality, fields.who);
    if (!this.newest.has(name)) this.newest.set(name, []);
    const strip = this.newest.get(name);
    const moment = { ...fields, modality, start: fields.start + this.before, end: fields.end + this.before };
    const last = strip.at(-1);
    const isSame = last && moment.start - last.end < RECENT / 2 && last.label === moment.label && (last.reason ?? "") === (moment.reason ?? "") && (last.label || last.best === moment.best);
    if (isSame) Object.assign(last, moment, { start: last.start });
    else strip.push(moment);
    while (strip.length && strip[0].end < moment.end - KEPT) strip.shift();
  }
}

/** What a strip is kept by. */
const key = (modality, who) => `${modality}\n${who ?? ""}`;

function byStrip(segments) {
  const table = new Map();
  for (const p of segments) {
    const name = key(p.modality, p.who);
    if (!table.has(name)) table.set(name, []);
    table.get(name).push(p);
  }
  return table;
}
