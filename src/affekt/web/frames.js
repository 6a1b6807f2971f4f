// A live stream of pictures: one is on its way at a time, so that what is answered is never old.

import { t } from "./strings.js";

const FATAL = new Set([1003, 1008, 1009]);

/** "ready", "event" with each event, "answered" with when its picture was taken, "gone", "failed" with why, "done". */
export class FrameStream extends EventTarget {
  #socket = null;
  #ready = false;
  #taken = null; // when the picture was taken that is on its way
  #refusal = null;
  #over = false;
  #comeback = 0;
  #tries = 0;

  /** `where()` gives address and protocols, `hello` the first message's fields. */
  constructor(where, hello) {
    super();
    this.where = where;
    this.hello = hello;
  }

  open() {
    const { address, protocols } = this.where();
    [this.#ready, this.#refusal, this.#taken] = [false, null, null];
    const socket = new WebSocket(address, protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", format: "jpeg", ...this.hello }));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  /** Whether a picture can be sent now. */
  get free() {
    return this.#ready && !this.#over && this.#taken === null && this.#socket.readyState === WebSocket.OPEN;
  }

  /** A picture that was taken at a time is on its way; the time comes back with the answer. */
  hold(taken) {
    this.#taken = taken;
  }

  /** Send the picture, a jpeg (Blob) of a time in seconds. */
  async send(jpeg, seconds) {
    const socket = this.#socket;
    const message = new Uint8Array(8 + jpeg.size);
    new DataView(message.buffer).setFloat64(0, seconds, true);
    message.set(new Uint8Array(await jpeg.arrayBuffer()), 8);
    if (socket && socket === this.#socket && socket.readyState === WebSocket.OPEN && !this.#over) socket.send(message);
  }

  /** No more pictures will come; the summary is awaited. */
  end() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#comeback);
    if (this.#ready && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "end" }));
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

  #take(message) {
    if (message.type === "error") this.#refusal = message;
    else if (message.type === "ready") {
      [this.#ready, this.#tries] = [true, 0];
      this.#tell("ready", message);
    } else {
      this.#tell("event", message);
      if (message.type !== "frame" && message.type !== "frame_error") return;
      const taken = this.#taken;
      this.#taken = null;
      this.#tell("answered", taken);
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
