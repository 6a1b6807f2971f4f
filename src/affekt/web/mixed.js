// A live stream of pictures and sound on one connection. Sound goes out as it comes; of pictures one is on its way at a time.

import { Line, withTime } from "./line.js";
import { littleEndian } from "./wav.js";

const [FRAME, SIGNAL, RATE] = [0x46, 0x53, 16000];

/** "ready", "event" with each event, "answered", "gone", "failed" with why, "done". */
export class MixedStream extends EventTarget {
  #line;
  #began = null; // when the sound of this connection began
  #onItsWay = false;
  #last = -1;

  /** `where()` gives address and protocols. */
  constructor(where) {
    super();
    this.#line = new Line(where, { format: "jpeg+pcm16", sampling_rate: RATE }, (type, detail) => this.#hear(type, detail));
  }

  open() {
    this.#line.open();
  }

  /** Whether a picture can be sent now: its clock is that of the sound. */
  get free() {
    return this.#line.isOpen && this.#began !== null && !this.#onItsWay;
  }

  /** Send sound (Int16Array at 16 kHz) that has just ended. */
  hear(samples) {
    if (!this.#line.isOpen) return;
    this.#began ??= performance.now() - (1000 * samples.length) / RATE;
    const bytes = littleEndian(samples);
    this.#line.send(message(SIGNAL, new Uint8Array(bytes.buffer ?? bytes)));
  }

  /** Send a picture: `take()` gives it as a jpeg (Blob), as it is now. */
  async look(take) {
    const { connection } = this.#line;
    this.#onItsWay = true;
    const seconds = Math.max((performance.now() - this.#began) / 1000, this.#last + 0.001);
    try {
      if (this.#line.send(message(FRAME, await withTime(await take(), seconds)), connection)) this.#last = seconds;
    } catch {
      this.#onItsWay = false; // the camera has given no picture yet
    }
  }

  /** Nothing more will come; the summary is awaited. */
  end() {
    this.#line.end();
  }

  /** Give up for good. */
  cancel() {
    this.#line.cancel();
  }

  #hear(type, detail) {
    if (type === "opening") [this.#onItsWay, this.#began, this.#last] = [false, null, -1];
    else {
      if (type === "answered") this.#onItsWay = false;
      this.dispatchEvent(new CustomEvent(type, { detail }));
    }
  }
}

function message(kind, body) {
  const made = new Uint8Array(1 + body.length);
  made[0] = kind;
  made.set(body, 1);
  return made;
}
