// The voice reference: some seconds of the speaker's neutral speech, held by the server for half an hour.

import { Recorder } from "./recorder.js";
import { Samples } from "./samples.js";
import { say, t, write } from "./strings.js";
import { wav } from "./wav.js";
import { failure } from "./words.js";

const SECONDS = 10;

export class Reference {
  id = "";
  #find = (name) => document.getElementById(`reference-${name}`);
  #recorder = null;

  /**
   * `mayRecord()` tells whether the microphone may open (and says so where not); `model()` names the model;
   * `adapt()` sees to it that the model can be told, and tells whether it could; `changed()` is called when there is
   * another reference, or none.
   */
  constructor(api, { mayRecord, model, adapt, changed }) {
    Object.assign(this, { api, mayRecord, model, adapt, changed });
    this.#find("record").addEventListener("click", () => (this.#recorder ? this.cancel() : this.#record()));
    this.#find("file").addEventListener("change", ({ target }) => {
      if (target.files.length) this.#send(target.files[0]);
      target.value = "";
    });
    this.#find("forget").addEventListener("click", () => this.forget());
  }

  get recording() {
    return this.#recorder !== null;
  }

  /** Stop without sending. */
  async cancel() {
    const recorder = this.#recorder;
    this.#idle();
    this.#say("reference.stopped");
    await recorder?.stop();
  }

  async forget() {
    const { id } = this;
    this.id = "";
    this.#find("forget").hidden = true;
    this.#say("reference.forgotten");
    this.changed();
    await this.api.forgetReference(id).catch(() => {});
  }

  async #record() {
    if (!this.mayRecord()) return;
    const samples = new Samples(16000 * (SECONDS + 1));
    const recorder = new Recorder();
    this.#recorder = recorder;
    say(this.#find("record"), "speech.stop");
    this.#find("progress").hidden = false;
    this.#say("reference.speak", { seconds: SECONDS });
    recorder.addEventListener("piece", ({ detail }) => {
      if (this.#recorder !== recorder) return;
      samples.append(detail);
      this.#find("progress").value = samples.duration;
      if (samples.duration >= SECONDS) this.#finish(samples);
    });
    try {
      await recorder.start();
    } catch (problem) {
      this.#idle();
      write(this.#find("state"), failure(problem.message));
    }
  }

  async #finish(samples) {
    const recorder = this.#recorder;
    this.#idle();
    await recorder.stop();
    await this.#send(new File([wav(samples.slice(0, 16000 * SECONDS))], "reference.wav"));
  }

  async #send(file) {
    this.#say("reference.measuring");
    try {
      if (!(await this.adapt())) throw new Error(t("reference.no.model"));
      const { reference, seconds, expires } = await this.api.makeReference(file, { model: this.model() });
      this.id = reference;
      this.#find("forget").hidden = false;
      this.#say("reference.used", { model: this.model(), seconds: seconds.toFixed(1), minutes: Math.round(expires / 60) });
      this.changed();
    } catch (problem) {
      write(this.#find("state"), failure(problem.message));
    }
  }

  #idle() {
    this.#recorder = null;
    say(this.#find("record"), "reference.record");
    this.#find("progress").hidden = true;
    this.#find("progress").value = 0;
  }

  #say(key, values) {
    say(this.#find("state"), key, values);
  }
}
