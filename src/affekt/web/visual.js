// What the tabs of faces and of videos share: a camera with its switch, files, the stage, the list and the results.

import { Bars } from "./bars.js";
import { download, offerDownloads } from "./download.js";
import { element } from "./elements.js";
import { videoActs } from "./keys.js";
import { drawRecordings } from "./list.js";
import { translated } from "./said.js";
import { Segments } from "./segments.js";
import { say, t, write } from "./strings.js";
import { Uploads } from "./uploads.js";
import { failure, whoever } from "./words.js";

/** People who can be chosen at a time. */
const MOST = 24;

/**
 * A tab. Those who extend it have start(), draw(), drawPicture(), summed(one), take(files), and from `parts`: `source`, a
 * camera that is `on`, stops, and tells "changed", "stopped", "failed" and "event"; `Kind`, the class of what is shown;
 * `overTime`, its lanes; `words`, the keys of what is said: consent, on, start, empty and kept (what was not).
 */
export class Visual {
  all = [];
  shown = null;
  /** The person in "Now"; undefined where nobody was chosen. */
  chosen;
  /** What is pointed at where there is no video. */
  at = 0;
  #address = null;
  #starting = false;

  constructor(page, prefix, { source, Kind, overTime, words }) {
    Object.assign(this, { page, source, overTime, words, prefix });
    this.uploads = new Uploads(page.api, Kind);
    this.bars = new Bars(this.find("bars"));
    this.segments = new Segments(this.find("segments"), (segment) => this.play(segment));
    this.acts = videoActs(overTime, this.find("video"), (number) => this.#number(number));
    this.find("consent").checked = false; // browsers restore boxes after a reload; consent is given anew
    this.#listen();
  }

  find(name) {
    return document.getElementById(`${this.prefix}-${name}`);
  }

  /** What was added, before what is there; the first is shown unless the camera is on. */
  add(added) {
    this.all = [...added, ...this.all];
    this.page.complain("");
    if (!this.source.on) this.choose(added[0]);
  }

  /** Another tab is shown: the camera goes out. */
  leave() {
    this.source.stop();
    this.find("video").pause();
  }

  get time() {
    if (this.source.on) return this.shown?.duration ?? 0;
    return this.shown && !this.shown.file ? this.at : this.find("video").currentTime || 0;
  }

  choose(one) {
    if (one !== this.shown) [this.chosen, this.at] = [undefined, 0];
    this.shown = one;
    if (!this.source.on) this.put(one);
    this.draw();
  }

  person(who) {
    this.chosen = who;
    this.draw();
  }

  seek(time) {
    if (this.source.on || !this.shown) return;
    this.at = time;
    if (this.shown.file) this.find("video").currentTime = time;
    this.draw();
  }

  play(segment) {
    this.chosen = segment.who ?? null;
    if (this.shown?.still) this.draw();
    else this.seek(segment.start);
  }

  /** Put a video, or a picture where the stage has one, on the stage; null takes away what is there. */
  put(one) {
    const [video, picture] = [this.find("video"), this.find("picture")];
    const file = one?.file ?? null;
    if (this.#address?.file === file) return;
    if (this.#address) URL.revokeObjectURL(this.#address.url);
    this.#address = file ? { file, url: URL.createObjectURL(file) } : null;
    const isVideo = Boolean(file) && (!picture || file.type.startsWith("video/"));
    video.controls = isVideo;
    video.muted = false;
    for (const [stage, wanted] of [[video, isVideo], [picture, file && !isVideo]]) {
      if (wanted) stage.src = this.#address.url;
      else stage?.removeAttribute("src");
    }
    write(this.find("stage-note"), "");
    if (!isVideo) video.load();
  }

  drawCamera() {
    const { on } = this.source;
    this.find("camera").classList.toggle("on", on);
    this.find("camera").setAttribute("aria-disabled", String(!this.find("consent").checked));
    say(this.find("camera-text"), on ? "speech.stop" : this.words.start);
  }

  drawList() {
    const acts = { choose: (one) => this.choose(one), retry: (one) => this.uploads.retry(one), cancel: (one) => this.uploads.cancel(one) };
    drawRecordings(this.find("recordings-list"), this.all, { chosen: this.shown, acts });
    const { state } = this.shown ?? {};
    this.find("recordings").hidden = this.all.length < 2 && state !== "failed" && state !== "running";
  }

  /** What is on the stage, {wide, high, mirror}; null where nothing is. `tall` is how much of the window it may fill. */
  setStage(tall) {
    const [video, picture] = [this.find("video"), this.find("picture")];
    const isCamera = this.source.on;
    const hasVideo = isCamera || Boolean(video.getAttribute("src"));
    const hasPicture = !hasVideo && Boolean(picture?.getAttribute("src"));
    video.hidden = !hasVideo;
    if (picture) picture.hidden = !hasPicture;
    const [wide, high] = hasPicture ? [picture.naturalWidth, picture.naturalHeight] : [video.videoWidth, video.videoHeight];
    const isThere = (hasVideo || hasPicture) && wide > 0;
    this.find("empty").hidden = isThere;
    say(this.find("empty"), this.shown && !this.shown.file && !isCamera ? this.words.kept : this.words.empty);
    const { style } = this.find("stage");
    style.aspectRatio = isThere ? `${wide} / ${high}` : "";
    style.maxWidth = isThere ? `calc(${tall} * ${(wide / high).toFixed(4)})` : "";
    const mirror = isCamera && this.find("mirror").checked;
    video.classList.toggle("mirrored", mirror);
    return isThere ? { wide, high, mirror } : null;
  }

  /** Buttons of whom "Now" can tell; null stands for whoever speaks. */
  drawPeople(present, who) {
    const names = present.length > 1 ? present.slice(0, MOST) : [];
    const root = this.find("people");
    if (root.dataset.names !== names.join("\n")) {
      root.dataset.names = names.join("\n");
      root.replaceChildren(
        ...names.map((one) => {
          const button = element("button", { type: "button" }, one ? whoever(one) : t("fusion.whoever"));
          button.addEventListener("click", () => this.person(one));
          return button;
        }),
      );
    }
    [...root.children].forEach((button, i) => button.setAttribute("aria-pressed", String(names[i] === who)));
  }

  /** What "Now" says where there is no answer; `nobody` are keys: while the camera looks, and later. */
  waiting(nobody) {
    const { state, model } = this.shown ?? {};
    if (state === "live") return t(model ? nobody.yet : "now.connecting");
    if (state === "running" || state === "waiting" || state === "finishing") return t("now.working");
    if (state === "failed") return t("now.unreadable");
    return t(this.shown ? nobody.found : "now.nothing");
  }

  drawResults() {
    const one = this.shown;
    this.find("results").hidden = !one || (!one.segments.length && !one.summary);
    if (this.find("results").hidden) return;
    this.segments.show(one);
    this.segments.mark(one.still ? -1 : this.time);
    this.find("results-summary").textContent = one.summary ? this.summed(one) : "";
    this.find("warnings").hidden = !one.warnings.length;
    this.find("warnings").replaceChildren(...one.warnings.map((words) => element("li", {}, translated(words))));
    for (const button of this.find("downloads").children) button.disabled = one.state !== "done";
  }

  /** Everything anew: the language changed. */
  redraw() {
    this.segments.redraw();
    this.find("people").dataset.names = "";
    this.draw();
  }

  /** The person of a number; the same again: nobody. */
  #number(number) {
    const { people = [] } = this.shown ?? {};
    if (number < people.length) this.person(people[number] === this.chosen ? undefined : people[number]);
  }

  async #toggle() {
    if (this.#starting) return;
    if (this.source.on) return this.source.stop();
    if (!this.find("consent").checked) {
      this.page.complain(t(this.words.consent));
      this.find("consent").focus();
      return;
    }
    this.#starting = true;
    try {
      this.page.complain("");
      this.put(null);
      const one = await this.start(t("camera.name", { number: this.all.filter(({ file }) => !file).length + 1 }));
      this.all = [one, ...this.all];
      [this.shown, this.chosen, this.at] = [one, undefined, 0];
      if (!this.find("consent").checked) this.source.stop();
      this.page.announce(t(this.words.on));
    } catch (problem) {
      this.page.complain(problem.message);
    } finally {
      this.#starting = false;
      this.draw();
    }
  }

  #finished() {
    this.draw();
    const { seen } = this.source;
    if (seen?.summary) this.page.announce(this.summed(seen));
  }

  #listen() {
    const { source, uploads, page } = this;
    const video = this.find("video");
    this.find("camera").addEventListener("click", () => this.#toggle());
    this.find("consent").addEventListener("change", () => {
      if (!this.find("consent").checked) source.stop();
      page.complain("");
      this.drawCamera();
    });
    source.addEventListener("event", ({ detail }) => this.shown === source.seen && this.onEvent(detail));
    source.addEventListener("changed", () => this.draw());
    source.addEventListener("stopped", () => this.#finished());
    source.addEventListener("failed", ({ detail }) => {
      page.complain(detail);
      this.#finished();
    });
    uploads.addEventListener("refused", ({ detail }) => page.complain(detail));
    uploads.addEventListener("changed", ({ detail: one }) => {
      if (one === this.shown) this.choose(one);
      else this.drawList();
      if (one.state === "done") page.announce(`${one.name}: ${this.summed(one)}`);
      if (one.state === "failed") page.announce(`${one.name}: ${failure(one.reason)}`);
    });
    this.find("files").addEventListener("change", ({ target }) => {
      this.take([...target.files]);
      target.value = "";
    });
    this.find("mirror").addEventListener("change", () => this.draw());
    this.overTime.addEventListener("seek", ({ detail }) => this.seek(detail));
    for (const type of ["timeupdate", "seeked", "loadedmetadata"]) video.addEventListener(type, () => this.draw());
    video.addEventListener("play", () => this.#follow());
    this.find("picture")?.addEventListener("load", () => this.draw());
    for (const stage of [video, this.find("picture")]) stage?.addEventListener("error", () => stage.getAttribute("src") && this.#cannotShow());
    new ResizeObserver(() => this.drawPicture()).observe(this.find("stage"));
    offerDownloads(this.find("downloads"), (format) => download(page.api, [this.shown], format).catch((p) => page.complain(p.message)), { sound: false });
  }

  #cannotShow() {
    say(this.find("stage-note"), "camera.cannot.show");
    this.drawPicture();
  }

  /** Draw along while a video plays. */
  #follow() {
    const step = () => {
      if (this.find("video").paused || this.source.on) return;
      this.draw();
      requestAnimationFrame(step);
    };
    step();
  }
}
