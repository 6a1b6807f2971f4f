// Probabilities over time as stacked areas: every window a column, the labels in their order from below.

import { paper } from "./canvas.js";

export function drawProbabilities(canvas, windows, { from, to, labels, palette }) {
  const sheet = paper(canvas);
  if (!sheet) return;
  const { context, width, height } = sheet;
  const at = (time) => ((time - from) / (to - from)) * width;
  for (const { start, end, scores, skipped } of windows) {
    if (end <= from || start >= to || skipped) continue;
    const [left, right] = [at(start), at(end)];
    let bottom = height;
    for (const label of labels) {
      const size = (scores[label] ?? 0) * height;
      context.fillStyle = palette[label];
      // A little wider than it is: no gaps between neighbours.
      context.fillRect(left, bottom - size, Math.max(1, right - left + 0.4), size + 0.3);
      bottom -= size;
    }
  }
}
