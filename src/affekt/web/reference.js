// The voice reference: some seconds of the speaker's neutral speech, held by the server for half an hour.

import { Recorder } from "./recorder.js";
import { Samples } from "./samples.js";
import { wav } from "./wav.js";

const SECONDS = 10;

export class Reference {
  id = "";
  #find = (name) => document.getElementById(`reference-${name}`);
  #recorder = null;

  /**
   * `mayRecord()` tells whether the microphone may open (and says so where not); `model()` names the model;
   * `adapt()` sees to it that the model can be told, and tells whether it could.
   */
  constructor(api, { mayRecord, model, adapt }) {
    Object.assign(this, { api, mayRecord, model, adapt });
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
    this.#say("Stopped; nothing was sent.");
    await recorder?.stop();
  }

  async forget() {
    const { id } = this;
    this.id = "";
    this.#find("forget").hidden = true;
    this.#say("Forgotten.");
    await this.api.forgetReference(id).catch(() => {});
  }

  async #record() {
    if (!this.mayRecord()) return;
    const samples = new Samples(16000 * (SECONDS + 1));
    const recorder = new Recorder();
    this.#recorder = recorder;
    this.#find("record").textContent = "Stop";
    this.#find("progress").hidden = false;
    this.#say(`Speak as you usually do, without emotion, for ${SECONDS} s.`);
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
      this.#say(problem.message);
    }
  }

  async #finish(samples) {
    const recorder = this.#recorder;
    this.#idle();
    await recorder.stop();
    await this.#send(new File([wav(samples.slice(0, 16000 * SECONDS))], "reference.wav"));
  }

  async #send(file) {
    this.#say("Measuring this voice …");
    try {
      if (!(await this.adapt())) throw new Error("No model of this server takes a voice reference.");
      const { reference, seconds, expires } = await this.api.makeReference(file, { model: this.model() });
      this.id = reference;
      this.#find("forget").hidden = false;
      this.#say(`In use by ${this.model()}: ${seconds.toFixed(1)} s of speech; the server forgets it after ${Math.round(expires / 60)} minutes.`);
    } catch (problem) {
      this.#say(problem.message);
    }
  }

  #idle() {
    this.#recorder = null;
    this.#find("record").textContent = "Record 10 s";
    this.#find("progress").hidden = true;
    this.#find("progress").value = 0;
  }

  #say(words) {
    this.#find("state").textContent = words;
  }
}
