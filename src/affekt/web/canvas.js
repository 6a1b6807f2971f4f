// Canvases as sharp as the screen, in the colours of the theme.

/** A 2d context cleared and scaled to CSS pixels, or null where the canvas is not shown. */
export function paper(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return null;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** A colour of style.css by its name, as the theme has it. */
export const tint = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
