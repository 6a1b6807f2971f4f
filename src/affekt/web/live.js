// Speaking: the microphone into a recording, the recording into a stream, what comes back into the recording.

import { Recorder } from "./recorder.js";
import { Recording } from "./recording.js";
import { LiveStream } from "./socket.js";
import { t } from "./strings.js";

/** "changed" when the recording did, "event" with each event, "gone" and "back" with the server, "stopped", "failed". */
export class Live extends EventTarget {
  recording = null;
  #recorder = null;
  #stream = null;
  #heardUntil = 0;

  constructor(api) {
    super();
    this.api = api;
  }

  /** Whether the microphone is open. */
  get listening() {
    return this.#recorder !== null;
  }

  /** Whether something is still to come from the server. */
  get busy() {
    return this.listening || (this.#stream !== null && !this.#stream.done);
  }

  /** Seconds since the server was last there, or 0. */
  get gone() {
    return this.#stream?.gone ?? 0;
  }

  /** Seconds by which what is heard lags behind what is spoken. */
  get behind() {
    return this.recording ? this.recording.duration - this.#heardUntil : 0;
  }

  /** Open the microphone and a stream that is asked `fields`. Throws an Error in words. */
  async start(name, fields, { lost, palette }) {
    const recorder = new Recorder();
    const recording = new Recording(name, { lost });
    recording.palette = palette;
    recording.labels = Object.keys(palette);
    recorder.addEventListener("piece", ({ detail }) => this.#hear(recording, detail));
    recorder.addEventListener("lost", () => this.stop());
    this.#recorder = recorder;
    this.recording = recording;
    this.#heardUntil = 0;
    recording.fields = fields;
    recording.state = "live";
    try {
      await recorder.start();
    } catch (problem) {
      this.#recorder = null;
      throw problem;
    }
    if (this.#recorder !== recorder) {
      // Stopped before it was open.
      await recorder.stop();
      throw new Error(t("speech.nothing.said"));
    }
    this.#connect(recording, fields);
    return recording;
  }

  /** Close the microphone; what was said is still finished. */
  async stop() {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = null;
    await recorder.stop();
    this.recording.state = "finishing";
    this.#stream?.end();
    this.#tell("stopped");
  }

  /** Wait no longer for the server: the sound stays. */
  cancel() {
    this.#stream?.cancel();
    this.#fail(this.recording, t("speech.cancelled"));
  }

  #connect(recording, fields) {
    const hello = Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
    const stream = new LiveStream(() => this.api.stream(), hello, recording.samples);
    this.#stream = stream;
    stream.addEventListener("ready", ({ detail }) => {
      recording.model = detail.model;
      recording.nameLabels(detail.labels);
      recording.warnings = recording.lost ? [t("warnings.lost")] : [];
      this.#tell(detail.back ? "back" : "ready");
    });
    stream.addEventListener("event", ({ detail }) => {
      recording.event(detail);
      this.#heardUntil = detail.time;
      this.#tell("event", detail);
    });
    stream.addEventListener("restart", () => recording.restart());
    stream.addEventListener("gone", () => this.#tell("gone"));
    stream.addEventListener("failed", ({ detail }) => this.#fail(recording, detail));
    stream.addEventListener("done", () => {
      recording.state = "done";
      this.stop();
      this.#tell("done");
    });
    stream.open();
  }

  #hear(recording, piece) {
    recording.samples.append(piece);
    this.#stream?.pump();
    this.#tell("changed", piece);
  }

  async #fail(recording, reason) {
    if (recording === this.recording) await this.stop();
    Object.assign(recording, { state: "failed", reason });
    recording.asFile(); // it can be sent again
    this.#tell("failed", reason);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
