// What a recording says over longer times: shares of labels in all, and in bins of equal time.

import { best } from "./words.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
/** Pixels: a bin is this wide at least; where half of the segments are narrower than NARROW, bins stand for them. */
const [WIDE, NARROW] = [8, 3];

/**
 * Seconds by label, not sure, spoken (those together) and silent, up to a time. Where several speak at once, the time is
 * divided equally among them, as timeline/shares.py does.
 */
export function shares(segments, { to = Infinity } = {}) {
  const changes = [];
  for (const segment of segments) {
    const end = Math.min(to, segment.end);
    if (segment.skipped || !best(segment) || end <= segment.start) continue;
    changes.push([segment.start, segment.label ?? "", 1], [end, segment.label ?? "", -1]);
  }
  changes.sort((a, b) => a[0] - b[0]);
  const [active, seconds] = [{}, {}];
  let [count, spoken, here] = [0, 0, 0];
  for (const [time, label, change] of changes) {
    for (const [name, n] of Object.entries(active)) if (n) seconds[name] = (seconds[name] ?? 0) + ((time - here) * n) / count;
    if (count) spoken += time - here;
    active[label] = (active[label] ?? 0) + change;
    count += change;
    here = time;
  }
  const { "": unsure = 0, ...labels } = seconds;
  return { seconds: labels, unsure, spoken, silent: Math.max(0, to - spoken) };
}

/** The label that is spoken longest with its share of the speech; null where none is sure. */
export function mostFrequent({ seconds, spoken }) {
  const [label, longest] = Object.entries(seconds).reduce((a, b) => (b[1] > a[1] ? b : a), [null, 0]);
  return label && { label, seconds: longest, share: longest / spoken };
}

/** The length of a bin in seconds where one pixel is so many seconds, and a bin `wide` pixels at least. */
export const stepFor = (perPixel, wide = WIDE) => STEPS.find((step) => step >= wide * perPixel) ?? 14400;

/** Whether segments are too narrow to be told apart where one pixel is so many seconds. */
export function areNarrow(segments, perPixel) {
  if (!segments.length) return false;
  if (!medians.has(segments)) {
    const lengths = segments.map((s) => s.end - s.start).sort((a, b) => a - b);
    medians.set(segments, lengths[lengths.length >> 1]);
  }
  return medians.get(segments) < NARROW * perPixel;
}
const medians = new WeakMap();

/** Bins {start, end, seconds: {label: s}, unsure, spoken, scores} of `step` seconds; kept for an array of segments. */
export function binned(segments, step) {
  if (!kept.has(segments)) kept.set(segments, new Map());
  const known = kept.get(segments);
  if (!known.has(step)) known.set(step, counted(segments, step));
  return known.get(step);
}
const kept = new WeakMap();

function counted(segments, step) {
  const bins = [];
  const bin = (i) => (bins[i] ??= { start: i * step, end: (i + 1) * step, seconds: {}, unsure: 0, spoken: 0, scores: {} });
  for (const segment of segments) {
    if (segment.skipped || !best(segment)) continue;
    for (let i = Math.floor(segment.start / step); i * step < segment.end; i++) {
      const one = bin(i);
      const length = Math.min(segment.end, one.end) - Math.max(segment.start, one.start);
      if (length <= 0) continue;
      one.spoken += length;
      if (segment.label) one.seconds[segment.label] = (one.seconds[segment.label] ?? 0) + length;
      else one.unsure += length;
      for (const [label, p] of Object.entries(segment.scores)) one.scores[label] = (one.scores[label] ?? 0) + p * length;
    }
  }
  for (const one of bins.filter(Boolean)) for (const label of Object.keys(one.scores)) one.scores[label] /= one.spoken;
  return bins.filter(Boolean);
}

/** Each person's or channel's segments, in order of appearance; one lane "" where nobody is told apart. */
export function lanes(segments) {
  if (!byWho.has(segments)) {
    const table = new Map();
    for (const segment of segments) {
      const who = segment.who ?? "";
      if (!table.has(who)) table.set(who, []);
      table.get(who).push(segment);
    }
    byWho.set(segments, table.size ? table : new Map([["", []]]));
  }
  return byWho.get(segments);
}
const byWho = new WeakMap();
