// The stretch of time that is seen of a recording.

/** Seconds that are seen at least. */
export const CLOSEST = 0.5;

/** From and to in seconds; always inside the recording, never shorter than CLOSEST. */
export class View {
  from = 0;
  to = CLOSEST;
  #length = CLOSEST;

  get length() {
    return this.#length;
  }

  get span() {
    return this.to - this.from;
  }

  /** Whether the whole recording is seen. */
  get whole() {
    return this.span >= this.#length - 1e-6;
  }

  /** See all of a recording of so many seconds. */
  all(length = this.#length) {
    this.#length = Math.max(length, CLOSEST);
    [this.from, this.to] = [0, this.#length];
  }

  /** See `span` seconds from `from` on, or as near to that as the recording allows. */
  look(from, span) {
    const wide = Math.max(CLOSEST, Math.min(this.#length, span));
    this.from = Math.max(0, Math.min(from, this.#length - wide));
    this.to = this.from + wide;
  }

  /** See `factor` times as much; `time` stays where it is, or comes to `share`, except where the recording ends. */
  zoom(factor, time, share = this.share(time)) {
    const wide = Math.max(CLOSEST, Math.min(this.#length, this.span * factor));
    this.look(time - share * wide, wide);
  }

  pan(seconds) {
    this.look(this.from + seconds, this.span);
  }

  /** Where a time is: 0 at the left edge, 1 at the right one. */
  share(time) {
    return (time - this.from) / this.span;
  }

  timeAt(share) {
    return this.from + share * this.span;
  }
}
