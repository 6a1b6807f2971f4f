// Files to the server, two at a time; long ones as jobs that tell how far they are.

import { Recording } from "./recording.js";
import { capital } from "./words.js";

const AT_ONCE = 2;
/** Bytes from which a file is a job. */
const LONG = 4e6;
const AGAIN = 700; // ms between two questions
const EVERY_VOICE = "All voices are shown: voices are left out of what is spoken here, not of files.";

/** "changed" with a recording whenever it stands somewhere else. */
export class Uploads extends EventTarget {
  #waiting = [];
  #running = new Map();

  /** `Kind` is what becomes of a file: a Recording, or Seen. */
  constructor(api, Kind = Recording) {
    super();
    this.api = api;
    this.Kind = Kind;
  }

  /** Queue files; gives their recordings. */
  add(files, fields, { lost }) {
    const recordings = files.map((file) => new this.Kind(file.name, { file, lost }));
    for (const recording of recordings) this.#queue(recording, fields);
    return recordings;
  }

  /** Send a failed one again. */
  retry(recording) {
    recording.state = "waiting";
    this.#queue(recording, recording.fields);
  }

  /** Stop one that waits or runs. */
  cancel(recording) {
    this.#waiting = this.#waiting.filter((r) => r !== recording);
    this.#running.get(recording)?.abort();
    if (recording.state === "waiting") this.#fail(recording, "Cancelled.");
  }

  #queue(recording, fields) {
    recording.fields = fields;
    this.#waiting.push(recording);
    this.#tell(recording);
    this.#next();
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#waiting.length) {
      const recording = this.#waiting.shift();
      const stopper = new AbortController();
      this.#running.set(recording, stopper);
      this.#run(recording, stopper.signal).finally(() => {
        this.#running.delete(recording);
        this.#next();
      });
    }
  }

  async #run(recording, signal) {
    Object.assign(recording, { state: "running", progress: null, reason: "" });
    this.#tell(recording);
    const decoded = recording.samples ? null : recording.decode().then(() => this.#tell(recording));
    try {
      const answer = await this.#ask(recording, signal);
      if (!answer.results?.length) throw new Error(answer.failures?.[0]?.reason ?? "The server found nothing in it.");
      recording.take(answer.results[0]);
      if (recording.fields.voices) recording.warnings = [...recording.warnings, EVERY_VOICE];
      await decoded;
      this.#tell(recording);
    } catch (problem) {
      const reason = problem.message.replace(`${recording.name}: `, "");
      this.#fail(recording, problem.name === "AbortError" ? "Cancelled." : capital(reason));
    }
  }

  async #ask(recording, signal) {
    const { file } = recording;
    const { voices: _, ...fields } = recording.fields; // of what is spoken here, not of files
    if (file.size < LONG) return this.api.predict(file, fields, signal);
    const job = await this.api.startJob(file, fields, signal);
    try {
      for (;;) {
        const { state, progress, results, reason, failures } = await this.api.job(job);
        if (state === "failed") throw new Error(reason ?? failures?.[0]?.reason ?? "The server could not read it.");
        if (state === "done") return Array.isArray(results) ? { results, failures } : { failures, ...results };
        recording.progress = progress;
        this.#tell(recording);
        await pause(AGAIN, signal);
      }
    } finally {
      this.api.forgetJob(job).catch(() => {});
    }
  }

  #fail(recording, reason) {
    Object.assign(recording, { state: "failed", reason });
    this.#tell(recording);
  }

  #tell(recording) {
    this.dispatchEvent(new CustomEvent("changed", { detail: recording }));
  }
}

function pause(ms, signal) {
  return new Promise((done, stop) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      stop(new DOMException("cancelled", "AbortError"));
    });
  });
}
