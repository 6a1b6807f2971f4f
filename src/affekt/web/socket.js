// A live stream: sends what is recorded, brings events, comes back when the connection breaks.
//
// The whole recording is here in the page. A connection that comes back within 30 s goes on where it was; after that,
// or when the server has forgotten the session, the recording is sent anew from its beginning.

import { littleEndian } from "./wav.js";
import { t } from "./strings.js";

const PIECE = 8000; // samples in a frame at most: half a second
const WAITING = 1 << 18; // bytes that may wait in the browser
const KEPT = 30_000; // ms for which the server keeps a broken session
const FATAL = new Set([1003, 1008, 1009]);

export class LiveStream extends EventTarget {
  #socket = null;
  #session = null;
  #sent = 0;
  #received = 0;
  #ready = false;
  #endSent = false;
  #goneSince = null;
  #timer = 0; // to send on
  #comeback = 0; // to connect again; one of its own, since every piece that is recorded stops the other
  #refusal = null;
  #resuming = false;
  #tries = 0;

  /** `where()` gives address and protocols, `hello` the first frame's fields, `samples` grows outside of here. */
  constructor(where, hello, samples) {
    super();
    this.where = where;
    this.hello = hello;
    this.samples = samples;
    this.ended = false;
    this.done = false;
  }

  open() {
    const { address, protocols } = this.where();
    this.#ready = false;
    this.#refusal = null;
    const socket = new WebSocket(address, protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify(this.#greeting()));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  /** More samples are there. */
  pump() {
    clearTimeout(this.#timer);
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    while (this.#sent < this.samples.length && this.#socket.bufferedAmount < WAITING) {
      const piece = this.samples.slice(this.#sent, this.#sent + PIECE);
      this.#socket.send(littleEndian(piece));
      this.#sent += piece.length;
    }
    if (this.#sent < this.samples.length) this.#timer = setTimeout(() => this.pump(), 50);
    else if (this.ended && !this.#endSent) {
      this.#socket.send(JSON.stringify({ type: "end" }));
      this.#endSent = true;
    }
  }

  /** No more samples will come: what is left is sent, and the summary awaited. */
  end() {
    this.ended = true;
    this.pump();
  }

  /** Give up for good. */
  cancel() {
    this.done = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#comeback);
    this.#socket?.close(1000);
  }

  /** Seconds since the server was last there, or 0. */
  get gone() {
    return this.#goneSince === null ? 0 : (performance.now() - this.#goneSince) / 1000;
  }

  #greeting() {
    const fresh = this.#goneSince === null || performance.now() - this.#goneSince < KEPT;
    this.#resuming = this.#session !== null && fresh;
    if (this.#resuming) return { type: "resume", session: this.#session, received: this.#received };
    this.#restart();
    return { type: "hello", sampling_rate: 16000, format: "pcm16", ...this.hello };
  }

  #restart() {
    if (this.#received) this.#tell("restart");
    [this.#session, this.#sent, this.#received, this.#endSent] = [null, 0, 0, false];
  }

  #take(message) {
    if (message.type === "ready") return this.#begin(message);
    if (message.type === "error") {
      this.#refusal = message;
      return;
    }
    this.#received++;
    this.#tell("event", message);
    if (message.type === "summary") {
      this.done = true;
      this.#tell("done");
    }
  }

  #begin(message) {
    this.#session = message.session;
    if (this.#resuming) [this.#sent, this.#endSent] = [message.samples ?? this.#sent, false];
    this.#ready = true;
    this.#tries = 0;
    const back = this.#goneSince !== null;
    this.#goneSince = null;
    this.#tell("ready", { ...message, back });
    this.pump();
  }

  #closed(code) {
    this.#ready = false;
    clearTimeout(this.#timer);
    if (this.done) return;
    if (this.#refusal && this.#resuming) {
      // The server no longer knows the session: from the beginning.
      this.#session = null;
      this.#restart();
    } else if (this.#refusal || FATAL.has(code)) {
      this.done = true;
      this.#tell("failed", this.#refusal?.reason ?? t("stream.ended", { code }));
      return;
    }
    this.#goneSince ??= performance.now();
    this.#tell("gone");
    this.#comeback = setTimeout(() => this.done || this.open(), Math.min(2000, 250 * 2 ** this.#tries++));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
