// Probabilities over time as stacked areas: every window a column, the labels in their order from below.

import { paper } from "./canvas.js";

/** `parts` are windows of one voice, or of several, each in a lane of its own; `lane` is the only one not faded. */
export function drawProbabilities(canvas, parts, { from, to, labels, palette, lane = null }) {
  const sheet = paper(canvas);
  if (!sheet) return;
  const { context, width, height } = sheet;
  const at = (time) => ((time - from) / (to - from)) * width;
  const high = height / parts.length;
  parts.forEach((windows, i) => {
    context.globalAlpha = lane === null || lane === i ? 1 : 0.25;
    for (const { start, end, scores, skipped } of windows) {
      if (end <= from || start >= to || skipped) continue;
      const [left, right] = [at(start), at(end)];
      let bottom = (i + 1) * high;
      const full = high - (parts.length > 1 ? 2 : 0);
      for (const label of labels) {
        const size = (scores[label] ?? 0) * full;
        context.fillStyle = palette[label];
        // A little wider than it is: no gaps between neighbours.
        context.fillRect(left, bottom - size, Math.max(1, right - left + 0.4), size + (parts.length > 1 ? 0 : 0.3));
        bottom -= size;
      }
    }
  });
}
