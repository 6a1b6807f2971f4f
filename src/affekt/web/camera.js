// Faces: the camera, pictures and videos, and what is shown of them. Opened by main.js when a model takes pictures.

import { drawFaces } from "./boxes.js";
import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { Film } from "./film.js";
import { FrameStream } from "./frames.js";
import { Lanes } from "./lanes.js";
import { translated } from "./said.js";
import { Seen } from "./seen.js";
import { setName } from "./settings.js";
import { say, t, write } from "./strings.js";
import { Visual } from "./visual.js";
import { answer, best, capital, clock, labelled, long, percent, strength, tintChip, whoever } from "./words.js";

/** Pixels of the longer side of what is sent, quality of the jpeg, and pictures per second at most. */
const [SIDE, QUALITY, RATE] = [480, 0.8, 30];
const WISH = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
/** Answers over which the rate and the delay are said. */
const MEASURED = 30;
/** Milliseconds from a picture to its answer from which that picture is shown with it, instead of the newest. */
const LATE = 120;
/** Sets of labels that leave some out. */
const SETS = ["four", "ekman", "valence"];

const find = (id) => document.getElementById(`faces-${id}`);

/** The camera and its stream; nothing of it begins before `start`. "changed", "event", "stopped", "failed" with why. */
class Camera extends EventTarget {
  #stream = null;
  #began = 0;
  #sent = 0;
  #fresh = null;
  #shown = []; // [when it was shown, how long after it was taken] of the last pictures
  maps = false; // whether what the network looks at was asked for
  seen = null;

  constructor(api, video) {
    super();
    this.api = api;
    this.video = video;
    this.film = new Film(video, { side: SIDE, quality: QUALITY, wish: WISH });
    this.film.addEventListener("gone", () => this.#fail(t("camera.gone")));
  }

  get on() {
    return this.film.on;
  }

  /** Pictures per second and milliseconds from a picture to its boxes, of the last second or so; null before. */
  get measured() {
    if (this.#shown.length < 5) return null;
    const [first, last] = [this.#shown[0], this.#shown.at(-1)];
    const delays = this.#shown.map(([, delay]) => delay).sort((a, b) => a - b);
    return { rate: ((this.#shown.length - 1) * 1000) / (last[0] - first[0]), delay: delays[delays.length >> 1] };
  }

  /** Where answers are late: the picture that the newest one is about, so that boxes stand where the faces are. */
  get lagging() {
    const measured = this.on ? this.measured : null;
    return measured && measured.delay > LATE ? this.film.sheet : null;
  }

  async start(seen, map) {
    this.seen = seen;
    [this.#shown, this.#fresh, this.#began, this.#sent] = [[], null, 0, 0];
    if (!(await this.film.open())) throw new Error(t("camera.closed"));
    this.#connect(seen, { ...seen.fields, map });
    this.maps = map;
    this.film.watch((taken) => {
      this.#fresh = taken;
      this.#pump();
    });
  }

  /** Close the camera; what was seen is still summed up. */
  stop() {
    if (!this.on) return;
    this.film.close();
    if (!this.#stream) return;
    Object.assign(this.seen, { state: "finishing", faces: [] });
    this.#stream.end();
    this.#tell("changed");
  }

  #connect(seen, hello) {
    const stream = new FrameStream(() => this.api.stream(), Object.fromEntries(Object.entries(hello).filter(([, value]) => value)));
    this.#stream = stream;
    stream.addEventListener("ready", ({ detail }) => {
      seen.model = detail.model;
      seen.nameLabels(detail.labels);
      // A line that broke begins a new stream, whose time begins anew.
      seen.before = seen.duration ? seen.duration + 0.1 : 0;
      this.#began = performance.now();
      this.#tell("changed");
      this.#pump();
    });
    stream.addEventListener("event", ({ detail }) => {
      seen.event(detail);
      this.#tell("event", detail);
    });
    stream.addEventListener("answered", ({ detail: taken }) => {
      const now = performance.now();
      this.#shown = [...this.#shown, [now, now - taken]].slice(-MEASURED);
      this.video.dispatchEvent(new CustomEvent("answered", { detail: { taken, shown: now } })); // for benchmarks/camera.py
      this.#pump();
    });
    stream.addEventListener("gone", () => {
      seen.faces = [];
      this.#shown = [];
      this.#tell("changed");
    });
    stream.addEventListener("failed", ({ detail }) => this.#fail(detail));
    stream.addEventListener("done", () => {
      if (stream === this.#stream) this.film.close();
      seen.state = "done";
      this.#tell("stopped");
    });
    stream.open();
  }

  #fail(reason) {
    if (!this.on && this.seen?.state !== "finishing") return;
    this.film.close();
    this.#stream?.end();
    Object.assign(this.seen, { state: "done", faces: [] });
    this.#tell("failed", reason);
  }

  /** Send the newest picture, if the last one was answered. */
  async #pump() {
    const stream = this.#stream;
    const now = performance.now();
    if (this.#fresh === null || !stream?.free || !this.video.videoWidth || now - this.#sent < 1000 / RATE - 4) return;
    const taken = this.#fresh;
    [this.#fresh, this.#sent] = [null, now];
    stream.hold(taken);
    const jpeg = await this.film.take().catch(() => null);
    if (jpeg) stream.send(jpeg, (now - this.#began) / 1000);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The tab: `page` has api, complain(words) and announce(words); `models` are those that take pictures. */
export class Faces extends Visual {
  constructor(page, models) {
    const by = (name) => document.getElementById(`faces-${name}`);
    const words = { consent: "camera.consent.first", on: "camera.on", start: "face.start", empty: "face.empty", kept: "camera.not.kept" };
    super(page, "faces", { source: new Camera(page.api, by("video")), Kind: Seen, overTime: new Lanes(by("lanes")), words });
    this.models = models;
    find("map").checked = false;
    find("model").addEventListener("change", () => this.#chooseModel());
    find("labels").addEventListener("change", () => {
      this.#noteLabels();
      this.#drawAgain();
    });
    find("again").addEventListener("click", () => this.#lookAgain());
    find("map").addEventListener("change", () => this.draw());
    this.overTime.addEventListener("choose", ({ detail }) => this.person(detail));
    find("model").replaceChildren(...models.map((m) => new Option(m.name, m.name)));
    this.#chooseModel();
  }

  /** Files to look for faces in. */
  take(files) {
    if (files.length) this.add(this.uploads.add([...files], { ...this.#fields, boxes: "yes" }, { lost: this.#lost }));
  }

  async start(name) {
    const seen = new Seen(name, { lost: this.#lost });
    Object.assign(seen, { state: "live", palette: this.#palette, labels: this.#model.labels, fields: this.#fields });
    await this.source.start(seen, this.#wantsMap);
    return seen;
  }

  /** Everything anew: the language changed. */
  redraw() {
    super.redraw();
    return this.#chooseModel();
  }

  get #model() {
    return this.models.find((m) => m.name === find("model").value) ?? this.models[0];
  }

  get #fields() {
    return { model: this.#model.name, labels: find("labels").value };
  }

  get #lost() {
    return SETS.includes(find("labels").value);
  }

  get #palette() {
    return colours(this.#model.labels);
  }

  get #wantsMap() {
    return find("map").checked && Boolean(this.#model.map);
  }

  async #chooseModel() {
    const { maps = [] } = await this.page.api.labels(this.#model.name);
    const all = new Option(t("settings.labels.all", { n: this.#model.labels.length }), "");
    const kept = find("labels").value;
    find("labels").replaceChildren(all, ...maps.filter((name) => SETS.includes(name)).map((name) => new Option(setName(name), name)));
    if (maps.includes(kept) && SETS.includes(kept)) find("labels").value = kept;
    find("card-body").replaceChildren(...cardParts(this.#model));
    this.#noteLabels();
    this.draw();
  }

  #noteLabels() {
    find("labels-note").textContent = this.#lost ? t("settings.labels.lost") : "";
  }

  /** What is shown, looked at again with the settings as they are now: the browser has kept the file. */
  #lookAgain() {
    this.page.complain("");
    find("video").pause();
    this.uploads.again(this.shown, { ...this.#fields, boxes: "yes" }, { lost: this.#lost });
  }

  #drawAgain() {
    const { state, file, fields } = this.shown ?? {};
    const differs = state === "done" && Boolean(file) && Object.entries(this.#fields).some(([name, value]) => (fields?.[name] ?? "") !== value);
    say(find("settings-note"), differs ? "settings.differ.face" : "settings.next.picture");
    find("again").hidden = !differs;
  }

  onEvent(event) {
    if (event.type === "frame") {
      this.drawPicture();
      this.#drawNow();
      this.overTime.show(this.shown, { time: this.shown.duration, chosen: this.chosen });
      this.#drawState();
    } else if (event.type === "map") this.drawPicture();
    else if (event.type === "segment") {
      this.drawResults();
      this.page.announce(`${whoever(event.who)}: ${t("summary.from.to", { answer: answer(event, t("answer.none")), confidence: percent(event.confidence), from: clock(event.start), to: clock(event.end) })}`);
    }
  }

  draw() {
    this.drawCamera();
    this.drawList();
    const { name, duration, state } = this.shown ?? {};
    find("name").textContent = this.shown ? `${name}${duration && state !== "live" ? `, ${long(duration)}` : ""}` : "";
    this.drawPicture();
    this.#drawNow();
    this.drawResults();
    this.#drawState();
    this.#drawAgain();
    this.overTime.show(this.shown, { time: this.time, chosen: this.chosen });
  }

  drawPicture() {
    const there = this.setStage("68vh");
    const faces = there && this.shown ? this.shown.facesAt(this.time) : [];
    const map = this.source.on && this.#wantsMap ? this.shown?.mapNow : null;
    drawFaces(find("canvas"), faces, { palette: this.shown?.palette, mirror: there?.mirror, chosen: this.#pointed()?.who, picture: this.source.lagging, map });
    this.#drawLegend(map);
  }

  #drawLegend(map) {
    const isAsked = this.source.on && this.#wantsMap;
    find("legend").hidden = !isAsked || !this.source.maps;
    find("legend-text").textContent = map ? legend(map) : t("face.map.none");
    find("map").disabled = !this.#model.map;
    find("map-note").textContent = !this.#model.map ? t("settings.map.none") : isAsked && !this.source.maps ? t("settings.map.later") : "";
  }

  /** The face of whom "Now" tells: who was chosen, or the largest. */
  #pointed() {
    if (!this.shown) return null;
    const faces = this.shown.facesAt(this.time);
    return faces.find((face) => face.who === this.chosen) ?? faces[0] ?? null;
  }

  /** What "Now" tells where no face is pointed at: before one moves in it, the whole. */
  #whole() {
    const seen = this.shown;
    if (seen?.state !== "done" || !best(seen.summary) || this.time > 0) return null;
    return seen.summaries[this.chosen] ?? seen.summary;
  }

  #drawNow() {
    const seen = this.shown;
    const face = this.#pointed();
    const told = face ?? this.#whole();
    const palette = seen?.labels.length ? seen.palette : this.#palette;
    this.bars.name(palette);
    this.bars.show(told?.scores ?? {}, { faded: !told });
    const of = told?.who ? `: ${whoever(told.who)}` : "";
    write(find("now-title"), face ? `${t(seen.state === "live" ? "now.title" : "now.here")}${of}` : told ? `${t("now.all")}${of}` : t("now.title"));
    write(find("heard"), told ? answer(told, t("answer.none")) : this.waiting({ yet: "answer.none.face", found: "answer.none.face" }));
    tintChip(find("heard-chip"), told, palette);
    find("heard-confidence").textContent = best(told) ? percent(told.confidence) : "";
    find("confidence").textContent = best(told) ? `${percent(told.confidence)}, ${strength(told.confidence)}` : "–";
    find("quality").textContent = best(told) ? percent(told.quality) : "–";
    find("heard-why").textContent = told?.reason ? `${capital(translated(told.reason))}.` : "";
    const here = (seen?.facesAt(this.time) ?? []).map(({ who }) => who).filter(Boolean);
    this.drawPeople(here.sort(byNumber), face?.who);
  }

  #drawState() {
    const measured = this.source.on ? this.source.measured : null;
    const state = find("state");
    state.textContent = measured ? t("camera.rate.delay", { rate: measured.rate < 9.5 ? measured.rate.toFixed(1) : Math.round(measured.rate), delay: Math.round(measured.delay) }) : this.source.on ? t("now.connecting") : "";
    if (measured) Object.assign(state.dataset, { rate: measured.rate.toFixed(2), delay: measured.delay.toFixed(1) });
  }

  summed(seen) {
    return summed(seen);
  }
}

/** What a map means, with what it comes to. */
function legend({ label, confidence, covered, values, reason }) {
  if (!values) return `${capital(translated(reason))}.`;
  return t("face.map", { label: labelled(label, { within: true }), confidence: percent(confidence), covered: percent(covered) });
}

const byNumber = (one, other) => one.localeCompare(other, "en", { numeric: true });

function summed({ summary, summaries, segments, still }) {
  if (!best(summary)) return t("face.none.found");
  const told = (one) => ({ answer: answer(one, t("answer.none"), { within: true }), confidence: percent(one.confidence) });
  const people = Object.entries(summaries);
  if (people.length > 6) return t("face.people", { n: people.length, ...told(summary) });
  if (people.length > 1) return people.map(([who, one]) => `${capital(whoever(who))}: ${told(one).answer}, ${told(one).confidence}`).join("; ") + ".";
  const parts = still ? "" : `; ${t(segments.length === 1 ? "summary.segments.one" : "summary.segments.many", { n: segments.length })}`;
  return `${t("summary.all", told(summary))}${parts}.`;
}

/** What main.js opens the tab with. */
export const open = (page, models) => new Faces(page, models);
