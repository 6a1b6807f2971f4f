// What a recording says over longer times: shares of labels in all, and in bins of equal time.

import { best } from "./words.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
/** Pixels: a bin is this wide at least; where half of the segments are narrower than NARROW, bins stand for them. */
const [WIDE, NARROW] = [8, 3];

/** Seconds by label, not sure, and silent, of segments of one voice or several between two times. */
export function shares(segments, { from = 0, to = Infinity } = {}) {
  const seconds = {};
  let [unsure, spoken, covered, reached] = [0, 0, 0, from];
  for (const segment of [...segments].sort((a, b) => a.start - b.start)) {
    const [start, end] = [Math.max(from, segment.start), Math.min(to, segment.end)];
    if (end <= start || segment.skipped || !best(segment)) continue;
    spoken += end - start;
    if (segment.label) seconds[segment.label] = (seconds[segment.label] ?? 0) + end - start;
    else unsure += end - start;
    // Where several speak at once, that is no silence twice less.
    covered += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return { seconds, unsure, spoken, silent: Math.max(0, to - from - covered) };
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
