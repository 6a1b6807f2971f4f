// A connection for pictures, with sound or without, that comes back when it breaks. What is sent on it others decide.

import { t } from "./strings.js";

const FATAL = new Set([1003, 1008, 1009]);

export class Line {
  #socket = null;
  #ready = false;
  #refusal = null;
  #over = false;
  #comeback = 0;
  #tries = 0;

  /**
   * `where()` gives address and protocols, `hello` are the fields of the first message. `tell(type, detail)` is called with
   * "opening", "ready", "event" with each event, "answered" after that of a picture, "gone", "failed" with why, "done".
   */
  constructor(where, hello, tell) {
    Object.assign(this, { where, hello, tell });
  }

  open() {
    const { address, protocols } = this.where();
    [this.#ready, this.#refusal] = [false, null];
    this.tell("opening");
    const socket = new WebSocket(address, protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", ...this.hello }));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  /** Whether something can be sent now. */
  get isOpen() {
    return this.#ready && !this.#over && this.#socket.readyState === WebSocket.OPEN;
  }

  /** What stands for the present connection: what was made for an older one is not sent. */
  get connection() {
    return this.#socket;
  }

  /** Send bytes that were made for a connection; tells whether they went. */
  send(bytes, connection = this.#socket) {
    if (!this.isOpen || connection !== this.#socket) return false;
    connection.send(bytes);
    return true;
  }

  /** Nothing more will come; the summary is awaited. */
  end() {
    if (this.#over) return;
    const { isOpen } = this;
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
    this.tell("done");
  }

  #take(event) {
    if (event.type === "error") this.#refusal = event;
    else if (event.type === "ready") {
      [this.#ready, this.#tries] = [true, 0];
      this.tell("ready", event);
    } else {
      this.tell("event", event);
      if (event.type === "frame" || event.type === "frame_error") this.tell("answered");
    }
  }

  #closed(code) {
    this.#ready = false;
    if (this.#refusal || FATAL.has(code)) {
      this.#over = true;
      this.tell("failed", this.#refusal?.reason ?? t("stream.ended", { code }));
    } else if (this.#over) this.tell("done");
    else {
      this.tell("gone");
      this.#comeback = setTimeout(() => this.#over || this.open(), Math.min(2000, 250 * 2 ** this.#tries++));
    }
  }
}

/** A picture as it is sent: its time in seconds, then the jpeg. */
export async function withTime(jpeg, seconds) {
  const bytes = new Uint8Array(await jpeg.arrayBuffer());
  const message = new Uint8Array(8 + bytes.length);
  new DataView(message.buffer).setFloat64(0, seconds, true);
  message.set(bytes, 8);
  return message;
}
