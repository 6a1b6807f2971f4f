// The axis of time under everything that is drawn over time.

import { paper, tint } from "./canvas.js";
import { clock } from "./words.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
/** Pixels between two marks at least. */
const APART = 64;

export function drawAxis(canvas, { from, to }) {
  const sheet = paper(canvas);
  if (!sheet) return;
  const { context, width } = sheet;
  const step = STEPS.find((s) => (s / (to - from)) * width >= APART) ?? 86400;
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  context.fillStyle = tint("muted");
  for (let i = Math.ceil(from / step - 1e-6); i * step <= to; i++) {
    const x = ((i * step - from) / (to - from)) * width;
    context.fillRect(Math.min(x, width - 1), 0, 1, 4);
    context.textAlign = x < 14 ? "left" : x > width - 14 ? "right" : "center";
    context.fillText(clock(i * step, step < 1 ? 1 : 0), x, 16);
  }
}
