// A live stream of pictures and sound on one connection. Sound goes out as it comes; of pictures one is on its way at a time.

import { littleEndian } from "./wav.js";
import { t } from "./strings.js";

const FATAL = new Set([1003, 1008, 1009]);
const [FRAME, SIGNAL, RATE] = [0x46, 0x53, 16000];

/** "ready", "event" with each event, "answered", "gone", "failed" with why, "done". */
export class MixedStream extends EventTarget {
  #socket = null;
  #ready = false;
  #began = null; // when the sound of this connection began
  #onItsWay = false;
  #refusal = null;
  #over = false;
  #comeback = 0;
  #tries = 0;
  #last = -1;

  /** `where()` gives address and protocols. */
  constructor(where) {
    super();
    this.where = where;
  }

  open() {
    const { address, protocols } = this.where();
    [this.#ready, this.#refusal, this.#onItsWay, this.#began, this.#last] = [false, null, false, null, -1];
    const socket = new WebSocket(address, protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", format: "jpeg+pcm16", sampling_rate: RATE }));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  get #open() {
    return this.#ready && !this.#over && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Whether a picture can be sent now: its clock is that of the sound. */
  get free() {
    return this.#open && this.#began !== null && !this.#onItsWay;
  }

  /** Send sound (Int16Array at 16 kHz) that has just ended. */
  hear(samples) {
    if (!this.#open) return;
    this.#began ??= performance.now() - (1000 * samples.length) / RATE;
    const bytes = littleEndian(samples);
    this.#socket.send(message(SIGNAL, new Uint8Array(bytes.buffer ?? bytes)));
  }

  /** Send a picture: `take()` gives it as a jpeg (Blob), as it is now. */
  async look(take) {
    const socket = this.#socket;
    this.#onItsWay = true;
    const seconds = Math.max((performance.now() - this.#began) / 1000, this.#last + 0.001);
    try {
      const jpeg = new Uint8Array(await (await take()).arrayBuffer());
      const body = new Uint8Array(8 + jpeg.length);
      new DataView(body.buffer).setFloat64(0, seconds, true);
      body.set(jpeg, 8);
      if (socket !== this.#socket || !this.#open) return;
      this.#last = seconds;
      socket.send(message(FRAME, body));
    } catch {
      this.#onItsWay = false; // the camera has given no picture yet
    }
  }

  /** Nothing more will come; the summary is awaited. */
  end() {
    if (this.#over) return;
    const isOpen = this.#open;
    this.#over = true;
    clearTimeout(this.#comeback);
    if (isOpen) this.#socket.send(JSON.stringify({ type: "end" }));
    else this.cancel();
  }

  /** Give up for good. */
  cancel() {
    this.#over = true;
    clearTimeout(this.#comeback);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#tell("done");
  }

  #take(event) {
    if (event.type === "error") this.#refusal = event;
    else if (event.type === "ready") {
      [this.#ready, this.#tries] = [true, 0];
      this.#tell("ready", event);
    } else {
      this.#tell("event", event);
      if (event.type !== "frame" && event.type !== "frame_error") return;
      this.#onItsWay = false;
      this.#tell("answered");
    }
  }

  #closed(code) {
    this.#ready = false;
    if (this.#refusal || FATAL.has(code)) {
      this.#over = true;
      this.#tell("failed", this.#refusal?.reason ?? t("stream.ended", { code }));
    } else if (this.#over) this.#tell("done");
    else {
      this.#tell("gone");
      this.#comeback = setTimeout(() => this.#over || this.open(), Math.min(2000, 250 * 2 ** this.#tries++));
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function message(kind, body) {
  const made = new Uint8Array(1 + body.length);
  made[0] = kind;
  made.set(body, 1);
  return made;
}
