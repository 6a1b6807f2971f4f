// Files to the server, two at a time; long ones as jobs that tell how far they are.

import { Recording } from "./recording.js";
import { t } from "./strings.js";
import { failure } from "./words.js";

const AT_ONCE = 2;
/** Bytes from which a file is a job. */
const LONG = 4e6;
const AGAIN = 700; // ms between two questions

/** "changed" with a recording whenever it stands somewhere else; "refused" with why one was not heard again. */
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

  /** Have one heard again and asked `fields`; what was found before stays until there is an answer. */
  again(recording, fields, { lost }) {
    recording.asFile();
    recording.earlier = { fields: recording.fields, lost: recording.lost };
    recording.lost = lost;
    this.#queue(recording, fields);
  }

  /** Stop one that waits or runs. */
  cancel(recording) {
    this.#waiting = this.#waiting.filter((r) => r !== recording);
    this.#running.get(recording)?.abort();
    if (recording.state === "waiting") this.#fail(recording, "cancelled.");
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
    const { fields } = recording;
    Object.assign(recording, { state: "running", progress: null, reason: "" });
    this.#tell(recording);
    const isDrawn = recording.samples && (fields.channel !== "each" || recording.channels);
    const decoded = isDrawn ? null : recording.decode().then(() => this.#tell(recording));
    try {
      const answer = await this.#ask(recording, signal);
      if (!answer.results?.length) throw new Error(answer.failures?.[0]?.reason ?? t("server.nothing"));
      recording.take(answer.results[0]);
      recording.earlier = null;
      if (fields.voices) recording.warnings = [...recording.warnings, t("warnings.voices")];
      await decoded;
      this.#tell(recording);
    } catch (problem) {
      const reason = problem.message.replace(`${recording.name}: `, "");
      this.#fail(recording, problem.name === "AbortError" ? "cancelled." : reason);
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
        if (state === "failed") throw new Error(reason ?? failures?.[0]?.reason ?? t("server.unreadable"));
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
    const { earlier } = recording;
    Object.assign(recording, earlier ? { ...earlier, earlier: null, state: "done" } : { state: "failed", reason });
    this.#tell(recording);
    if (earlier) this.dispatchEvent(new CustomEvent("refused", { detail: `${recording.name}: ${failure(reason)}` }));
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
