// A live stream of pictures: one is on its way at a time, so that what is answered is never old.

import { Line, withTime } from "./line.js";

/** "ready", "event" with each event, "answered" with when its picture was taken, "gone", "failed" with why, "done". */
export class FrameStream extends EventTarget {
  #line;
  #taken = null; // when the picture was taken that is on its way

  /** `where()` gives address and protocols, `hello` the first message's fields. */
  constructor(where, hello) {
    super();
    this.#line = new Line(where, { format: "jpeg", ...hello }, (type, detail) => this.#hear(type, detail));
  }

  open() {
    this.#line.open();
  }

  /** Whether a picture can be sent now. */
  get free() {
    return this.#line.isOpen && this.#taken === null;
  }

  /** A picture that was taken at a time is on its way; the time comes back with the answer. */
  hold(taken) {
    this.#taken = taken;
  }

  /** Send the picture, a jpeg (Blob) of a time in seconds. */
  async send(jpeg, seconds) {
    const { connection } = this.#line;
    this.#line.send(await withTime(jpeg, seconds), connection);
  }

  /** No more pictures will come; the summary is awaited. */
  end() {
    this.#line.end();
  }

  /** Give up for good. */
  cancel() {
    this.#line.cancel();
  }

  #hear(type, detail) {
    const taken = this.#taken;
    if (type === "opening" || type === "answered") this.#taken = null;
    if (type !== "opening") this.dispatchEvent(new CustomEvent(type, { detail: type === "answered" ? taken : detail }));
  }
}
