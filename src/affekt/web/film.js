// A camera whose pictures are taken when somebody asks for them. Nothing is filmed before `open`.

import { t } from "./strings.js";

const SAID = { NotAllowedError: "camera.refused", NotFoundError: "camera.none", NotReadableError: "camera.used" };

/** What went wrong when a camera was opened, in words. */
export const said = ({ name, message }) => (name in SAID ? t(SAID[name]) : t("camera.failed", { problem: message }));

/** "gone" when the camera is unplugged. */
export class Film extends EventTarget {
  #media = null;
  #turn = 0; // which opening counts: whoever closes, or opens again, while the browser asks, does not want the older one
  #sheet = document.createElement("canvas");

  /** Of a picture that is taken `side` is the longer one in pixels, and `quality` that of the jpeg; `wish` is asked of the camera. */
  constructor(video, { side, quality, wish = { width: { ideal: 1280 }, height: { ideal: 720 } } }) {
    super();
    Object.assign(this, { video, side, quality, wish });
  }

  get on() {
    return this.#media !== null;
  }

  /** Open it; false where it was closed, or opened again, before the browser gave it. */
  async open() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(t("camera.insecure"));
    this.close();
    const turn = this.#turn;
    let media;
    try {
      media = await navigator.mediaDevices.getUserMedia({ audio: false, video: this.wish });
    } catch (problem) {
      throw new Error(said(problem), { cause: problem });
    }
    if (turn !== this.#turn) {
      media.getTracks().forEach((track) => track.stop());
      return false;
    }
    this.#media = media;
    media.getVideoTracks()[0].addEventListener("ended", () => this.#media === media && this.dispatchEvent(new Event("gone")));
    this.video.srcObject = media;
    this.video.muted = true;
    await this.video.play().catch(() => {}); // closed at once
    return this.#media === media;
  }

  close() {
    this.#turn++;
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#media = null;
    this.video.srcObject = null;
  }

  /** Call `act` with when each new picture was taken, in milliseconds, while the camera is open. */
  watch(act) {
    const media = this.#media;
    const next = (now, { captureTime } = {}) => {
      if (this.#media !== media) return;
      act(captureTime ?? now);
      wait();
    };
    const wait = () => (this.video.requestVideoFrameCallback ? this.video.requestVideoFrameCallback(next) : requestAnimationFrame(next));
    wait();
  }

  /** The picture that was taken last. */
  get sheet() {
    return this.#sheet;
  }

  /** The picture there is now, as a jpeg. */
  async take() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) throw new Error(t("camera.no.picture"));
    const scale = Math.min(1, this.side / Math.max(videoWidth, videoHeight));
    [this.#sheet.width, this.#sheet.height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    this.#sheet.getContext("2d").drawImage(this.video, 0, 0, this.#sheet.width, this.#sheet.height);
    return new Promise((done, refuse) => this.#sheet.toBlob((jpeg) => (jpeg ? done(jpeg) : refuse(new Error(t("camera.not.taken")))), "image/jpeg", this.quality));
  }
}
