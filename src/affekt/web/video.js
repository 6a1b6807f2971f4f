// Videos, and camera and microphone together: what voice, faces and words say. Opened by main.js where a model joins them.

import { drawFaces } from "./boxes.js";
import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { element } from "./elements.js";
import { Film } from "./film.js";
import { MixedStream } from "./mixed.js";
import { Recorder } from "./recorder.js";
import { translated } from "./said.js";
import { PARTS, Scene } from "./scene.js";
import { t, write } from "./strings.js";
import { Strips } from "./strips.js";
import { Visual } from "./visual.js";
import { answer, best, clock, long, percent, tintChip, whoever } from "./words.js";

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
  seen = null;

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
    this.seen = scene;
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
    Object.assign(this.seen, { state: "finishing", faces: [] });
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
    if (!this.on && this.seen?.state !== "finishing") return;
    this.#close();
    this.#stream?.cancel();
    Object.assign(this.seen, { state: "done", faces: [] });
    this.#tell("failed", reason);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The tab: `page` has api, complain(words) and announce(words); `models` are those that join others. */
export class Videos extends Visual {
  constructor(page, [model]) {
    const by = (name) => document.getElementById(`video-${name}`);
    const words = { consent: "camera.consent.first.both", on: "camera.on.both", start: "fusion.start", empty: "fusion.empty", kept: "camera.not.kept.both" };
    super(page, "video", { source: new Session(page.api, by("video")), Kind: Scene, overTime: new Strips(by("tracks")), words });
    this.model = model;
    find("card-body").replaceChildren(...cardParts(model));
    this.draw();
  }

  /** Videos, with their captions beside them or alone for the one that is shown. */
  take(files) {
    const [captions, videos] = [files.filter(({ name }) => CAPTIONS.test(name)), files.filter(({ name }) => !CAPTIONS.test(name))];
    if (!videos.length && this.shown?.file && captions.length) videos.push(this.shown.file);
    if (!videos.length) return captions.length && this.page.complain(t("fusion.captions.alone"));
    const added = videos.map((file) => {
      const own = captions.find(({ name }) => stem(name) === stem(file.name)) ?? (videos.length === 1 ? captions[0] : undefined);
      return this.uploads.add([file], { modality: "fusion", boxes: "yes", captions: own }, { lost: false })[0];
    });
    this.add(added);
  }

  /** Whether captions can be taken here now. */
  get hasVideo() {
    return Boolean(this.shown?.file);
  }

  async start(name) {
    const scene = new Scene(name);
    Object.assign(scene, { state: "live", labels: this.model.labels, palette: colours(this.model.labels) });
    await this.source.start(scene);
    return scene;
  }

  /** Everything anew: the language changed. */
  redraw() {
    this.overTime.redraw();
    find("card-body").replaceChildren(...cardParts(this.model));
    super.redraw();
  }

  onEvent(event) {
    if (event.type === "level") return;
    if (event.type === "frame_error") this.page.complain(event.reason);
    if (event.type === "frame") this.drawPicture();
    this.#drawNow();
    this.#drawState();
    this.overTime.show(this.shown, { time: this.time });
    if (event.type === "segment" && event.stable) this.drawResults();
  }

  draw() {
    this.drawCamera();
    this.drawList();
    const { state, name, duration, fields } = this.shown ?? {};
    const parts = [name, fields?.captions && t("fusion.captions", { name: fields.captions.name }), duration && state !== "live" && long(duration)];
    find("name").textContent = parts.filter(Boolean).join(", ");
    this.drawPicture();
    this.#drawNow();
    this.drawResults();
    this.#drawState();
    find("legend").hidden = !this.shown || !(this.shown.everything.length || state === "live");
    this.overTime.show(this.shown, { time: this.time });
  }

  #drawState() {
    const rate = this.source.on ? this.source.rate : null;
    find("state").textContent = rate ? t("camera.rate", { rate: rate.toFixed(rate < 9.5 ? 1 : 0) }) : this.source.on ? t("now.connecting") : "";
  }

  drawPicture() {
    const there = this.setStage("60vh");
    const faces = there && this.shown ? this.shown.facesAt(this.time) : [];
    drawFaces(find("canvas"), faces, { palette: this.shown?.palette, mirror: there?.mirror, chosen: this.#pointed(faces) });
  }

  /** Who there is at this time, and of whom something is said by all together or by one. */
  #present() {
    const scene = this.shown;
    return scene ? scene.people.filter((who) => Object.values(scene.said(who, this.time)).some(Boolean)) : [];
  }

  /** Of whom "Now" tells: who was chosen; else whoever contradicts themselves; else the largest face, or the voice. */
  #pointed(faces = this.shown?.facesAt(this.time) ?? []) {
    const present = this.#present();
    if (this.chosen !== undefined && present.includes(this.chosen)) return this.chosen;
    const torn = present.find((who) => this.shown.said(who, this.time).fusion?.reason);
    return torn ?? faces[0]?.who ?? present[0] ?? null;
  }

  #drawNow() {
    const scene = this.shown;
    const who = this.#pointed();
    const said = scene ? scene.said(who, this.time) : {};
    const isHere = Object.values(said).some(Boolean);
    const whole = !isHere && scene?.state === "done" && !this.time && best(scene.summary) ? scene.summary : null;
    const told = said.fusion ?? whole;
    const palette = scene?.labels.length ? scene.palette : colours(this.model.labels);
    this.bars.name(palette);
    this.bars.show(told?.scores ?? {}, { faded: !told });
    write(find("now-title"), whole ? t("now.all") : `${t(scene && scene.state !== "live" ? "now.here" : "now.title")}${isHere && who ? `: ${whoever(who)}` : ""}`);
    write(find("heard"), told ? answer(told, t("answer.none")) : isHere ? t("answer.none") : this.waiting({ yet: "fusion.nobody.yet", found: "fusion.nobody" }));
    tintChip(find("heard-chip"), told, palette);
    find("heard-confidence").textContent = best(told) ? percent(told.confidence) : "";
    find("contradiction").hidden = !said.fusion?.reason;
    find("contradiction").textContent = said.fusion?.reason ? t("fusion.contradiction", { reason: translated(said.fusion.reason) }) : "";
    const parts = Object.entries(PARTS).filter(([modality]) => modality !== "fusion" && said[modality]);
    const lines = parts.map(([modality, name]) => element("div", {}, element("dt", {}, t(name)), element("dd", {}, spoken(said[modality]))));
    find("parts").replaceChildren(...lines);
    this.drawPeople(this.#present(), who);
  }

  summed(scene) {
    return summed(scene);
  }
}

/** What one modality says, with its words and its weakness. */
function spoken(prediction) {
  const sure = best(prediction) ? ` ${percent(prediction.confidence)}` : "";
  const words = prediction.text ? `, “${prediction.text}”` : "";
  return `${answer(prediction, t("answer.none"))}${sure}${words}${prediction.reason ? ` (${translated(prediction.reason)})` : ""}`;
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
