// The microphone: opened when asked, closed for good when stopped.

import { t } from "./strings.js";

export class Recorder extends EventTarget {
  #stream;
  #context;
  #node;
  #ended;

  /** Open the microphone; "piece" events then bring Float32Array at 16 kHz. Throws an Error in words. */
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error(t("microphone.insecure"));
    }
    try {
      // What the browser would do to the voice for a call changes how it sounds.
      const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio });
      await this.#connect();
    } catch (problem) {
      this.#close();
      throw new Error(said(problem), { cause: problem });
    }
    this.#stream.getAudioTracks()[0].addEventListener("ended", () => this.dispatchEvent(new Event("lost")));
  }

  /** Close the microphone; resolves when the last piece has been delivered. */
  async stop() {
    this.#node?.port.postMessage("stop");
    // A context that was suspended never answers.
    await Promise.race([this.#ended, new Promise((done) => setTimeout(done, 500))]);
    this.#close();
  }

  async #connect() {
    try {
      await this.#listen(new AudioContext({ sampleRate: 16000 }));
    } catch {
      // Some browsers do not take another rate than the device's: the worklet resamples.
      await this.#context?.close();
      await this.#listen(new AudioContext());
    }
  }

  async #listen(context) {
    this.#context = context;
    await context.audioWorklet.addModule(new URL("recorder-worklet.js", import.meta.url));
    const source = context.createMediaStreamSource(this.#stream);
    this.#node = new AudioWorkletNode(context, "recorder", { numberOfInputs: 1, numberOfOutputs: 1 });
    this.#ended = new Promise((done) => {
      this.#node.port.onmessage = ({ data }) => {
        this.dispatchEvent(new CustomEvent("piece", { detail: data.piece }));
        if (data.last) done();
      };
    });
    // Without a way to the output some browsers never call the worklet; it writes silence there.
    source.connect(this.#node).connect(context.destination);
    await context.resume();
  }

  #close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    if (this.#context?.state !== "closed") this.#context?.close();
  }
}

function said(problem) {
  const keys = { NotAllowedError: "microphone.refused", NotFoundError: "microphone.none", NotReadableError: "microphone.used" };
  return problem.name in keys ? t(keys[problem.name]) : t("microphone.failed", { problem: problem.message });
}
