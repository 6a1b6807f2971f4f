// What faces were looked for in: a picture, a video, or what the camera saw. And where they are at any time.

import { lanes } from "./bins.js";
import { Recording } from "./recording.js";

/** Seconds between two moments of a live lane, how many are kept of a person, and how many people. */
const [STEP, KEPT, PEOPLE] = [0.1, 20_000, 60];
/** Seconds for which a face stays where it was when nothing newer is known. */
const LINGERS = 0.3;
/** Seconds for which a map is shown when no newer one comes. */
const MAPPED = 2;

export class Seen extends Recording {
  nothing = "answer.none.face";
  /** Of a video, by person: [time, left, top, width, height]. */
  boxes = {};
  /** Of the camera, by person: moments {start, end, scores}. */
  moments = new Map();
  /** Of the camera: the faces of the newest frame. */
  faces = [];
  /** Of the camera: what the network looked at last {time, who, label, box, area, values or reason, ...}. */
  map = null;
  /** Seconds before the present stream began: a broken line begins a new one. */
  before = 0;
  #seconds = 0;
  #before = new Set(); // who was seen in the frame before

  get duration() {
    return this.#seconds || super.duration;
  }

  /** Whether it is one picture. */
  get still() {
    return this.state === "done" && this.file !== null && !this.duration;
  }

  /** There is no sound to draw. */
  async decode() {}

  take(result) {
    super.take(result);
    this.boxes = result.boxes ?? {};
  }

  /** Take one event of a live stream. */
  event(event) {
    const { type, time, stable, ...fields } = event;
    const shifted = (p) => ({ ...p, start: p.start + this.before, end: p.end + this.before });
    if (type === "frame") this.#look(time + this.before, fields.faces);
    else if (type === "map") this.map = { ...fields, time: time + this.before };
    else if (type === "segment") this.segments = [...this.segments, shifted(fields)];
    else if (type === "summary") {
      this.summary = shifted(fields);
      if (fields.who) this.summaries[fields.who] = this.summary;
    }
  }

  /** The faces at a time, with their boxes. */
  facesAt(time) {
    if (this.state === "live") return this.faces;
    if (this.still) return this.sightings;
    const now = this.sightings.filter((s) => s.who && s.start <= time && time < s.end);
    return now.map((segment) => ({ ...segment, box: between(this.boxes[segment.who], time) ?? segment.box }));
  }

  /** What the network looks at in a face that is there now; null where that is not known, or no longer true. */
  get mapNow() {
    const isNew = this.state === "live" && this.map && this.duration - this.map.time < MAPPED;
    return isNew && this.faces.some(({ who }) => who === this.map.who) ? this.map : null;
  }

  /** The segments that are of faces. */
  get sightings() {
    return this.segments;
  }

  /** Everybody who was seen, in order of appearance. */
  get people() {
    return [...new Set([...this.moments.keys(), ...this.segments.map((s) => s.who ?? "face")])];
  }

  /** What is drawn in the lane of a person. */
  lane(who) {
    const known = lanes(this.segments);
    return this.moments.get(who) ?? known.get(who) ?? known.get("") ?? [];
  }

  #look(time, faces) {
    this.#seconds = Math.max(this.#seconds, time);
    this.faces = faces;
    for (const { who, scores } of faces) {
      if (!this.moments.has(who) && this.moments.size >= PEOPLE) continue;
      if (!this.moments.has(who)) this.moments.set(who, []);
      const lane = this.moments.get(who);
      const last = lane.at(-1);
      if (last && time - last.start < STEP) last.end = time;
      else {
        // However long ago the frame before was, who was in it was there meanwhile.
        if (last && this.#before.has(who)) last.end = time;
        lane.push({ start: time, end: time + STEP / 2, scores });
        if (lane.length > KEPT) lane.shift();
      }
    }
    this.#before = new Set(faces.map(({ who }) => who));
  }
}

/** A box at a time between those that are known; null where none is. */
function between(places, time) {
  if (!places?.length) return null;
  const next = places.findIndex(([at]) => at > time);
  const [one, other] = [places[next === -1 ? places.length - 1 : Math.max(0, next - 1)], places[next === -1 ? places.length - 1 : next]];
  const gap = other[0] - one[0];
  // A face that was gone for long did not move through where it was not.
  const share = gap > 0 && gap < 2 * LINGERS ? Math.min(1, Math.max(0, (time - one[0]) / gap)) : 0;
  return [1, 2, 3, 4].map((i) => one[i] + share * (other[i] - one[i]));
}
