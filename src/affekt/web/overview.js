// The whole recording in one strip, with the stretch of it that is seen below.

import { binned, lanes, stepFor } from "./bins.js";
import { paper, tint } from "./canvas.js";
import { offerGestures } from "./gestures.js";
import { drawBins } from "./shares.js";

/** Pixels of a bin at least, and lanes at most: of more people all is shown together. */
const [WIDE, MOST] = [4, 6];

export class Overview {
  #recording = null;
  #view = null;
  #time = 0;
  #grabbed = null; // whether a drag moves the stretch, or marks a new one

  /** `look(from, span)` is called when another stretch is chosen. */
  constructor(canvas, look) {
    Object.assign(this, { canvas, look });
    offerGestures(canvas, {
      zoom: (factor, place) => this.#zoom(factor, place),
      pan: (by) => this.#moveBy(by * this.#view.length),
      click: (place) => this.look(this.#timeAt(place) - this.#view.span / 2, this.#view.span),
      drag: (from, to, began) => this.#drag(from, to, began),
      dropped: () => (this.#grabbed = null),
    });
  }

  /** Draw a recording and what is seen of it; null hides the strip. */
  draw(recording, view, time) {
    [this.#recording, this.#view, this.#time] = [recording, view, time];
    this.canvas.hidden = !recording;
    if (recording) this.#paint();
  }

  /** The place that is heard. */
  mark(time) {
    this.#time = time;
    if (this.#recording) this.#paint();
  }

  #timeAt(place) {
    return Math.max(0, Math.min(1, place)) * this.#view.length;
  }

  #zoom(factor, place) {
    const { from, to, span, length } = this.#view;
    const time = Math.max(from, Math.min(to, this.#timeAt(place)));
    const wide = Math.min(length, span * factor);
    this.look(time - ((time - from) / span) * wide, wide);
    return this.#view.span !== span;
  }

  #moveBy(seconds) {
    const { from, span } = this.#view;
    this.look(from + seconds, span);
    return this.#view.from !== from;
  }

  #drag(last, place, began) {
    const { from, to, whole, length } = this.#view;
    this.#grabbed ??= !whole && this.#timeAt(began) >= from && this.#timeAt(began) <= to;
    if (this.#grabbed) this.#moveBy((place - last) * length);
    else {
      const [start, end] = [this.#timeAt(began), this.#timeAt(place)].sort((a, b) => a - b);
      this.look(start, end - start);
    }
  }

  #paint() {
    const sheet = paper(this.canvas);
    if (!sheet) return;
    const { context, width, height } = sheet;
    const { from, to, length, whole } = this.#view;
    const { segments, labels, palette } = this.#recording;
    const step = stepFor(length / width, WIDE);
    const apart = [...lanes(segments).values()];
    const table = apart.length > MOST ? [segments] : apart;
    const high = (height - 4) / table.length;
    table.forEach((part, i) => drawBins(context, binned(part, step), { from: 0, to: length, top: 2 + i * high, width, height: high - (table.length > 1 ? 1 : 0), labels, palette }));
    const at = (time) => (time / length) * width;
    if (!whole) {
      context.globalAlpha = 0.62;
      context.fillStyle = tint("card");
      context.fillRect(0, 0, at(from), height);
      context.fillRect(at(to), 0, width - at(to), height);
      context.globalAlpha = 1;
      context.strokeStyle = tint("ink");
      context.lineWidth = 2;
      const left = Math.min(at(from), width - 4);
      context.strokeRect(left + 1, 1, Math.max(2, at(to) - left - 2), height - 2);
    }
    context.fillStyle = tint("record");
    context.fillRect(at(this.#time) - 1, 0, 2, height);
  }
}
