// Videos, and camera and microphone together: what voice, faces and words say. Opened by main.js where a model joins them.

import { Bars } from "./bars.js";
import { drawFaces } from "./boxes.js";
import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { download, offerDownloads } from "./download.js";
import { element } from "./elements.js";
import { Film } from "./film.js";
import { drawRecordings } from "./list.js";
import { MixedStream } from "./mixed.js";
import { Recorder } from "./recorder.js";
import { PARTS, Scene } from "./scene.js";
import { Segments } from "./segments.js";
import { say, t, write } from "./strings.js";
import { Strips } from "./strips.js";
import { Uploads } from "./uploads.js";
import { answer, best, clock, long, percent, tintChip } from "./words.js";

/** Pixels of the longer side of what is sent, and quality of the jpeg. */
const [SIDE, QUALITY] = [480, 0.8];
/** Milliseconds over which answers are counted. */
const COUNTED = 2000;
const CAPTIONS = /\.(srt|vtt|csv|tsv)$/i;

const find = (id) => document.getElementById(`video-${id}`);
const stem = (name) => name.replace(/\.[^.]{1,5}$/, "");

/** Camera, microphone and their stream; nothing of them begins before `start`. "event", "changed", "stopped", "failed". */
class Session extends EventTarget {
  #recorder = null;
  #stream = null;
  #answers = [];
  #isFresh = false; // whether the camera has given a picture that was not sent
  scene = null;

  constructor(api, video) {
    super();
    this.api = api;
    this.film = new Film(video, { side: SIDE, quality: QUALITY });
    this.film.addEventListener("gone", () => this.#fail(t("camera.gone")));
  }

  get on() {
    return this.#recorder !== null;
  }

  /** Pictures per second that were answered lately; null before. */
  get rate() {
    const since = performance.now() - COUNTED;
    this.#answers = this.#answers.filter((at) => at > since);
    return this.#answers.length > 3 ? (1000 * this.#answers.length) / COUNTED : null;
  }

  async start(scene) {
    const recorder = new Recorder();
    this.#recorder = recorder;
    this.scene = scene;
    try {
      if (!(await this.film.open())) throw new Error(t("camera.closed"));
      await recorder.start();
    } catch (problem) {
      this.#close();
      throw problem;
    }
    if (this.#recorder !== recorder) {
      await recorder.stop();
      throw new Error(t("camera.closed.both"));
    }
    recorder.addEventListener("piece", ({ detail }) => this.#stream?.hear(Int16Array.from(detail, (x) => Math.max(-32768, Math.min(32767, Math.round(x * 32768))))));
    recorder.addEventListener("lost", () => this.#fail(t("microphone.gone")));
    this.#connect(scene);
    this.film.watch(() => {
      this.#isFresh = true;
      this.#pump();
    });
  }

  /** Send the newest picture, if the last one was answered. */
  #pump() {
    if (!this.#isFresh || !this.on || !this.#stream?.free) return;
    this.#isFresh = false;
    this.#stream.look(() => this.film.take());
  }

  /** Close camera and microphone; what was seen and heard is still summed up. */
  stop() {
    if (!this.on) return;
    this.#close();
    if (!this.#stream) return;
    Object.assign(this.scene, { state: "finishing", faces: [] });
    this.#stream.end();
    this.#tell("changed");
  }

  #close() {
    const recorder = this.#recorder;
    this.#recorder = null;
    recorder?.stop();
    this.film.close();
  }

  #connect(scene) {
    const stream = new MixedStream(() => this.api.stream());
    this.#stream = stream;
    this.#answers = [];
    stream.addEventListener("ready", ({ detail }) => {
      scene.model = detail.model;
      scene.nameLabels(detail.labels);
      // A line that broke begins a new stream, whose time begins anew.
      scene.before = scene.duration ? scene.duration + 0.1 : 0;
      this.#tell("changed");
    });
    stream.addEventListener("event", ({ detail }) => {
      scene.event(detail);
      this.#tell("event", detail);
    });
    stream.addEventListener("answered", () => {
      this.#answers.push(performance.now());
      this.#pump();
    });
    stream.addEventListener("gone", () => {
      scene.faces = [];
      this.#tell("changed");
    });
    stream.addEventListener("failed", ({ detail }) => this.#fail(detail));
    stream.addEventListener("done", () => {
      this.#close();
      scene.state = "done";
      this.#tell("stopped");
    });
    stream.open();
  }

  #fail(reason) {
    if (!this.on && this.scene?.state !== "finishing") return;
    this.#close();
    this.#stream?.cancel();
    Object.assign(this.scene, { state: "done", faces: [] });
    this.#tell("failed", reason);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The tab: `page` has api, complain(words) and announce(words); `models` are those that join others. */
export class Videos {
  #all = [];
  #shown = null;
  #chosen; // the person in "Now"; undefined where nobody was chosen
  #visits = 0;
  #address = null;
  #starting = false;
  #at = 0; // what is pointed at where there is no video

  constructor(page, models) {
    this.page = page;
    [this.model] = models;
    this.session = new Session(page.api, find("video"));
    this.uploads = new Uploads(page.api, Scene);
    this.strips = new Strips(find("tracks"));
    this.bars = new Bars(find("bars"));
    this.segments = new Segments(find("segments"), (segment) => this.#play(segment));
    find("card-body").replaceChildren(...cardParts(this.model));
    find("consent").checked = false; // browsers restore boxes after a reload; consent is given anew
    this.#listen();
    this.#draw();
  }

  /** Videos, with their captions beside them or alone for the one that is shown. */
  take(files) {
    const [captions, videos] = [files.filter(({ name }) => CAPTIONS.test(name)), files.filter(({ name }) => !CAPTIONS.test(name))];
    if (!videos.length && this.#shown?.file && captions.length) videos.push(this.#shown.file);
    if (!videos.length) return captions.length && this.page.complain(t("fusion.captions.alone"));
    const added = videos.map((file) => {
      const own = captions.find(({ name }) => stem(name) === stem(file.name)) ?? (videos.length === 1 ? captions[0] : undefined);
      return this.uploads.add([file], { modality: "fusion", boxes: "yes", captions: own }, { lost: false })[0];
    });
    this.#all = [...added, ...this.#all];
    this.page.complain("");
    if (!this.session.on) this.#choose(added[0]);
  }

  /** Everything anew: the language changed. */
  redraw() {
    this.segments.redraw();
    this.strips.redraw();
    find("people").dataset.names = "";
    find("card-body").replaceChildren(...cardParts(this.model));
    this.#draw();
  }

  /** Whether captions can be taken here now. */
  get hasVideo() {
    return Boolean(this.#shown?.file);
  }

  /** Another tab is shown: camera and microphone go out. */
  leave() {
    this.session.stop();
    find("video").pause();
  }

  #listen() {
    const { session, uploads } = this;
    const video = find("video");
    find("camera").addEventListener("click", () => this.#toggle());
    find("consent").addEventListener("change", () => {
      if (!find("consent").checked) session.stop();
      this.page.complain("");
      this.#drawCamera();
    });
    session.addEventListener("event", ({ detail }) => this.#onEvent(detail));
    session.addEventListener("changed", () => this.#draw());
    session.addEventListener("stopped", () => this.#finished());
    session.addEventListener("failed", ({ detail }) => {
      this.page.complain(detail);
      this.#finished();
    });
    uploads.addEventListener("changed", ({ detail: scene }) => {
      if (scene === this.#shown) this.#choose(scene);
      else this.#drawList();
      if (scene.state === "done") this.page.announce(`${scene.name}: ${summed(scene)}`);
      if (scene.state === "failed") this.page.announce(`${scene.name}: ${scene.reason}`);
    });
    find("files").addEventListener("change", ({ target }) => {
      this.take([...target.files]);
      target.value = "";
    });
    find("mirror").addEventListener("change", () => this.#draw());
    this.strips.addEventListener("seek", ({ detail }) => this.#seek(detail));
    for (const type of ["timeupdate", "seeked", "loadedmetadata"]) video.addEventListener(type, () => this.#draw());
    video.addEventListener("play", () => this.#follow());
    video.addEventListener("error", () => {
      if (!video.getAttribute("src")) return;
      say(find("stage-note"), "camera.cannot.show");
      this.#drawPicture();
    });
    new ResizeObserver(() => this.#drawPicture()).observe(find("stage"));
    offerDownloads(find("downloads"), (format) => download(this.page.api, [this.#shown], format).catch((p) => this.page.complain(p.message)), { sound: false });
  }

  // --- camera and microphone ---

  async #toggle() {
    if (this.#starting) return;
    if (this.session.on) return this.session.stop();
    if (!find("consent").checked) {
      this.page.complain(t("camera.consent.first.both"));
      find("consent").focus();
      return;
    }
    this.#starting = true;
    try {
      this.page.complain("");
      this.#show(null);
      find("video").muted = true;
      const scene = new Scene(t("camera.name", { number: this.#visits + 1 }));
      Object.assign(scene, { state: "live", labels: this.model.labels, palette: colours(this.model.labels) });
      await this.session.start(scene);
      this.#visits++;
      this.#all = [scene, ...this.#all];
      [this.#shown, this.#chosen, this.#at] = [scene, undefined, 0];
      if (!find("consent").checked) this.session.stop();
      this.page.announce(t("camera.on.both"));
    } catch (problem) {
      this.page.complain(problem.message);
    } finally {
      this.#starting = false;
      this.#draw();
    }
  }

  #onEvent(event) {
    if (this.#shown !== this.session.scene || event.type === "level") return;
    if (event.type === "frame_error") this.page.complain(event.reason);
    if (event.type === "frame") this.#drawPicture();
    this.#drawNow();
    this.#drawState();
    this.strips.show(this.#shown, { time: this.#time });
    if (event.type === "segment" && event.stable) this.#drawResults();
  }

  #finished() {
    this.#draw();
    const { scene } = this.session;
    if (scene?.summary) this.page.announce(summed(scene));
  }

  // --- what is shown ---

  #choose(scene) {
    if (scene !== this.#shown) [this.#chosen, this.#at] = [undefined, 0];
    this.#shown = scene;
    if (!this.session.on) this.#show(scene);
    this.#draw();
  }

  /** Put a video on the stage; null takes away what is there. */
  #show(scene) {
    const file = scene?.file ?? null;
    const video = find("video");
    if (this.#address?.file === file) return;
    if (this.#address) URL.revokeObjectURL(this.#address.url);
    this.#address = file ? { file, url: URL.createObjectURL(file) } : null;
    video.controls = Boolean(file);
    video.muted = false;
    if (file) video.src = this.#address.url;
    else {
      video.removeAttribute("src");
      video.load();
    }
    write(find("stage-note"), "");
  }

  #seek(time) {
    if (this.session.on || !this.#shown) return;
    this.#at = time;
    if (this.#shown.file) find("video").currentTime = time;
    this.#draw();
  }

  #play(segment) {
    this.#chosen = segment.who ?? null;
    this.#seek(segment.start);
    this.#draw();
  }

  /** Draw along while a video plays. */
  #follow() {
    const step = () => {
      if (find("video").paused || this.session.on) return;
      this.#draw();
      requestAnimationFrame(step);
    };
    step();
  }

  get #time() {
    if (this.session.on) return this.#shown?.duration ?? 0;
    return this.#shown && !this.#shown.file ? this.#at : find("video").currentTime || 0;
  }

  #draw() {
    this.#drawCamera();
    this.#drawList();
    this.#drawPicture();
    this.#drawNow();
    this.#drawResults();
    this.#drawState();
    const hasLanes = Boolean(this.#shown && (this.#shown.everything.length || this.#shown.state === "live"));
    find("legend").hidden = !hasLanes;
    this.strips.show(this.#shown, { time: this.#time });
  }

  #drawCamera() {
    const { on } = this.session;
    find("camera").classList.toggle("on", on);
    find("camera").setAttribute("aria-disabled", String(!find("consent").checked));
    say(find("camera-text"), on ? "speech.stop" : "fusion.start");
  }

  #drawList() {
    const acts = { choose: (s) => this.#choose(s), retry: (s) => this.uploads.retry(s), cancel: (s) => this.uploads.cancel(s) };
    drawRecordings(find("recordings-list"), this.#all, { chosen: this.#shown, acts });
    const { state, name, duration, fields } = this.#shown ?? {};
    find("recordings").hidden = this.#all.length < 2 && state !== "failed" && state !== "running";
    const parts = [name, fields?.captions && t("fusion.captions", { name: fields.captions.name }), duration && state !== "live" && long(duration)];
    find("name").textContent = parts.filter(Boolean).join(", ");
  }

  #drawState() {
    const rate = this.session.on ? this.session.rate : null;
    find("state").textContent = rate ? t("camera.rate", { rate: rate.toFixed(rate < 9.5 ? 1 : 0) }) : this.session.on ? t("now.connecting") : "";
  }

  #drawPicture() {
    const video = find("video");
    const isCamera = this.session.on;
    const isThere = (isCamera || Boolean(video.getAttribute("src"))) && video.videoWidth > 0;
    video.hidden = !isCamera && !video.getAttribute("src");
    find("empty").hidden = isThere;
    say(find("empty"), this.#shown && !this.#shown.file && !isCamera ? "camera.not.kept.both" : "fusion.empty");
    find("stage").style.aspectRatio = isThere ? `${video.videoWidth} / ${video.videoHeight}` : "";
    find("stage").style.maxWidth = isThere ? `calc(60vh * ${(video.videoWidth / video.videoHeight).toFixed(4)})` : "";
    const mirror = isCamera && find("mirror").checked;
    video.classList.toggle("mirrored", mirror);
    const faces = isThere && this.#shown ? this.#shown.facesAt(this.#time) : [];
    drawFaces(find("canvas"), faces, { palette: this.#shown?.palette, mirror, chosen: this.#pointed(faces) });
  }

  /** Who there is at this time, and of whom something is said by all together or by one. */
  #present() {
    const scene = this.#shown;
    return scene ? scene.people.filter((who) => Object.values(scene.said(who, this.#time)).some(Boolean)) : [];
  }

  /** Of whom "Now" tells: who was chosen; else whoever contradicts themselves; else the largest face, or the voice. */
  #pointed(faces = this.#shown?.facesAt(this.#time) ?? []) {
    const present = this.#present();
    if (this.#chosen !== undefined && present.includes(this.#chosen)) return this.#chosen;
    const torn = present.find((who) => this.#shown.said(who, this.#time).fusion?.reason);
    return torn ?? faces[0]?.who ?? present[0] ?? null;
  }

  #drawNow() {
    const scene = this.#shown;
    const who = this.#pointed();
    const said = scene ? scene.said(who, this.#time) : {};
    const isHere = Object.values(said).some(Boolean);
    const whole = !isHere && scene?.state === "done" && !this.#time && best(scene.summary) ? scene.summary : null;
    const told = said.fusion ?? whole;
    const palette = scene?.labels.length ? scene.palette : colours(this.model.labels);
    this.bars.name(palette);
    this.bars.show(told?.scores ?? {}, { faded: !told });
    write(find("now-title"), whole ? t("now.all") : `${t(scene && scene.state !== "live" ? "now.here" : "now.title")}${isHere && who ? `: ${who}` : ""}`);
    write(find("heard"), told ? answer(told, t("answer.none")) : isHere ? t("answer.none") : this.#waiting());
    tintChip(find("heard-chip"), told, palette);
    find("heard-confidence").textContent = best(told) ? percent(told.confidence) : "";
    find("contradiction").hidden = !said.fusion?.reason;
    find("contradiction").textContent = said.fusion?.reason ? t("fusion.contradiction", { reason: said.fusion.reason }) : "";
    const parts = Object.entries(PARTS).filter(([modality]) => modality !== "fusion" && said[modality]);
    const lines = parts.map(([modality, name]) => element("div", {}, element("dt", {}, t(name)), element("dd", {}, spoken(said[modality]))));
    find("parts").replaceChildren(...lines);
    this.#drawPeople(who);
  }

  #drawPeople(who) {
    const present = this.#present().slice(0, 24);
    const names = present.length > 1 ? present : [];
    const root = find("people");
    if (root.dataset.names !== names.join("\n")) {
      root.dataset.names = names.join("\n");
      root.replaceChildren(
        ...names.map((one) => {
          const button = element("button", { type: "button" }, one ?? t("fusion.whoever"));
          button.addEventListener("click", () => {
            this.#chosen = one;
            this.#draw();
          });
          return button;
        }),
      );
    }
    [...root.children].forEach((button, i) => button.setAttribute("aria-pressed", String(names[i] === who)));
  }

  #waiting() {
    const { state, model } = this.#shown ?? {};
    if (state === "live") return t(model ? "fusion.nobody.yet" : "now.connecting");
    if (state === "running" || state === "waiting" || state === "finishing") return t("now.working");
    if (state === "failed") return t("now.unreadable");
    return t(this.#shown ? "fusion.nobody" : "now.nothing");
  }

  #drawResults() {
    const scene = this.#shown;
    find("results").hidden = !scene || (!scene.segments.length && !scene.summary);
    if (find("results").hidden) return;
    this.segments.show(scene);
    this.segments.mark(this.#time);
    find("results-summary").textContent = scene.summary ? summed(scene) : "";
    find("warnings").hidden = !scene.warnings.length;
    find("warnings").replaceChildren(...scene.warnings.map((w) => element("li", {}, w)));
    for (const button of find("downloads").children) button.disabled = scene.state !== "done";
  }
}

/** What one modality says, with its words and its weakness. */
function spoken(prediction) {
  const sure = best(prediction) ? ` ${percent(prediction.confidence)}` : "";
  const words = prediction.text ? `, “${prediction.text}”` : "";
  return `${answer(prediction, t("answer.none"))}${sure}${words}${prediction.reason ? ` (${prediction.reason})` : ""}`;
}

function summed({ summary, segments }) {
  if (!best(summary)) return t("fusion.nothing");
  const torn = segments.filter(({ reason }) => reason);
  const times = `${torn.slice(0, 3).map(({ start }) => clock(start)).join(", ")}${torn.length > 3 ? " …" : ""}`;
  const parts = torn.length ? t("fusion.contradictions", { times }) : "";
  return `${t("summary.all", { answer: answer(summary, undefined, { within: true }), confidence: percent(summary.confidence) })}${parts}.`;
}

/** What main.js opens the tab with. */
export const open = (page, models) => new Videos(page, models);
