// Faces: the camera, pictures and videos, and what is shown of them. Opened by main.js when a model takes pictures.

import { Bars } from "./bars.js";
import { drawFaces } from "./boxes.js";
import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { download, offerDownloads } from "./download.js";
import { said } from "./film.js";
import { FrameStream } from "./frames.js";
import { Lanes } from "./lanes.js";
import { drawRecordings } from "./list.js";
import { Seen } from "./seen.js";
import { Segments } from "./segments.js";
import { setName } from "./settings.js";
import { say, t, write } from "./strings.js";
import { Uploads } from "./uploads.js";
import { answer, best, capital, clock, labelled, long, percent, strength, tintChip } from "./words.js";

/** Pixels of the longer side of what is sent, quality of the jpeg, and pictures per second at most. */
const [SIDE, QUALITY, RATE] = [480, 0.8, 30];
/** Answers over which the rate and the delay are said. */
const MEASURED = 30;
/** Milliseconds from a picture to its answer from which that picture is shown with it, instead of the newest. */
const LATE = 120;
/** Sets of labels that leave some out. */
const SETS = ["four", "ekman", "valence"];

const find = (id) => document.getElementById(`faces-${id}`);

/** The camera and its stream; nothing of it begins before `start`. "changed", "event", "stopped", "failed" with why. */
class Camera extends EventTarget {
  #media = null;
  #stream = null;
  #sheet = document.createElement("canvas");
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
  }

  get on() {
    return this.#media !== null;
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
    return measured && measured.delay > LATE ? this.#sheet : null;
  }

  async start(name, hello, { lost, palette, map }) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(t("camera.insecure"));
    let media;
    try {
      media = await navigator.mediaDevices.getUserMedia({ audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } } });
    } catch (problem) {
      throw new Error(said(problem), { cause: problem });
    }
    this.#media = media;
    media.getVideoTracks()[0].addEventListener("ended", () => this.#fail(t("camera.gone")));
    const seen = new Seen(name, { lost });
    Object.assign(seen, { state: "live", palette, labels: Object.keys(palette), fields: hello });
    this.seen = seen;
    [this.#shown, this.#fresh, this.#began, this.#sent] = [[], null, 0, 0];
    this.video.srcObject = media;
    this.video.muted = true;
    await this.video.play();
    this.#connect(seen, { ...hello, map });
    this.maps = map;
    this.#watch(media);
    return seen;
  }

  /** Close the camera; what was seen is still summed up. */
  stop() {
    if (!this.#media) return;
    this.#close();
    this.seen.state = "finishing";
    this.seen.faces = [];
    this.#stream.end();
    this.#tell("stopped");
  }

  #close() {
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#media = null;
    this.video.srcObject = null;
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
      this.#tell("gone");
    });
    stream.addEventListener("failed", ({ detail }) => this.#fail(detail));
    stream.addEventListener("done", () => {
      this.#close();
      seen.state = "done";
      this.#tell("done");
    });
    stream.open();
  }

  #fail(reason) {
    if (!this.#media) return;
    this.#close();
    this.#stream?.end();
    Object.assign(this.seen, { state: "done", faces: [] });
    this.#tell("failed", reason);
  }

  /** Notice each new picture of the camera. */
  #watch(media) {
    const next = (now, { captureTime } = {}) => {
      if (this.#media !== media) return;
      this.#fresh = captureTime ?? now;
      this.#pump();
      wait();
    };
    const wait = () => (this.video.requestVideoFrameCallback ? this.video.requestVideoFrameCallback(next) : requestAnimationFrame(next));
    wait();
  }

  /** Send the newest picture, if the last one was answered. */
  #pump() {
    const stream = this.#stream;
    const now = performance.now();
    if (this.#fresh === null || !stream?.free || !this.video.videoWidth || now - this.#sent < 1000 / RATE - 4) return;
    const taken = this.#fresh;
    [this.#fresh, this.#sent] = [null, now];
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, SIDE / Math.max(videoWidth, videoHeight));
    [this.#sheet.width, this.#sheet.height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    this.#sheet.getContext("2d").drawImage(this.video, 0, 0, this.#sheet.width, this.#sheet.height);
    const seconds = (now - this.#began) / 1000;
    stream.hold(taken);
    this.#sheet.toBlob((jpeg) => jpeg && stream.send(jpeg, seconds), "image/jpeg", QUALITY);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The tab: `page` has api, complain(words) and announce(words); `models` are those that take pictures. */
export class Faces {
  #all = [];
  #shown = null;
  #chosen = null; // the person in "Now"
  #visits = 0;
  #address = null;
  #starting = false;

  constructor(page, models) {
    this.page = page;
    this.models = models;
    this.camera = new Camera(page.api, find("video"));
    this.uploads = new Uploads(page.api, Seen);
    this.lanes = new Lanes(find("lanes"));
    this.bars = new Bars(find("bars"));
    this.segments = new Segments(find("segments"), (segment) => this.#play(segment));
    this.#listen();
    find("consent").checked = false; // browsers restore boxes after a reload; consent is given anew
    find("map").checked = false;
    this.ready = this.#offer();
  }

  /** Files to look for faces in. */
  take(files) {
    if (!files.length) return;
    const added = this.uploads.add([...files], { ...this.#fields, boxes: "yes" }, { lost: this.#lost });
    this.#all = [...added, ...this.#all];
    this.page.complain("");
    if (!this.camera.on) this.#choose(added[0]);
  }

  /** Another tab is shown: the camera goes out. */
  leave() {
    this.camera.stop();
    find("video").pause();
  }

  /** Everything anew: the language changed. */
  redraw() {
    this.segments.redraw();
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

  #listen() {
    const { camera, uploads } = this;
    find("camera").addEventListener("click", () => this.#toggle());
    find("consent").addEventListener("change", () => {
      if (!find("consent").checked) camera.stop();
      this.page.complain("");
      this.#drawCamera();
    });
    camera.addEventListener("event", ({ detail }) => this.#onEvent(detail));
    for (const type of ["changed", "gone"]) camera.addEventListener(type, () => this.#draw());
    camera.addEventListener("stopped", () => this.#draw());
    camera.addEventListener("done", () => this.#finished());
    camera.addEventListener("failed", ({ detail }) => {
      this.page.complain(detail);
      this.#finished();
    });
    uploads.addEventListener("changed", ({ detail: seen }) => {
      if (seen === this.#shown) this.#choose(seen);
      else this.#drawList();
      if (seen.state === "done") this.page.announce(`${seen.name}: ${summed(seen)}`);
      if (seen.state === "failed") this.page.announce(`${seen.name}: ${seen.reason}`);
    });
    find("files").addEventListener("change", ({ target }) => {
      this.take(target.files);
      target.value = "";
    });
    find("model").addEventListener("change", () => this.#chooseModel());
    find("labels").addEventListener("change", () => {
      this.#noteLabels();
      this.#drawAgain();
    });
    find("again").addEventListener("click", () => this.#lookAgain());
    uploads.addEventListener("refused", ({ detail }) => this.page.complain(detail));
    for (const name of ["mirror", "map"]) find(name).addEventListener("change", () => this.#draw());
    this.lanes.addEventListener("choose", ({ detail }) => this.#person(detail));
    this.lanes.addEventListener("seek", ({ detail }) => {
      if (!this.camera.on && this.#shown) find("video").currentTime = detail * this.#shown.duration;
    });
    const video = find("video");
    for (const type of ["timeupdate", "seeked", "loadedmetadata"]) video.addEventListener(type, () => this.#draw());
    video.addEventListener("play", () => this.#follow());
    video.addEventListener("error", () => video.getAttribute("src") && this.#cannotShow());
    find("picture").addEventListener("load", () => this.#draw());
    find("picture").addEventListener("error", () => find("picture").getAttribute("src") && this.#cannotShow());
    new ResizeObserver(() => this.#drawPicture()).observe(find("stage"));
    offerDownloads(find("downloads"), (format) => download(this.page.api, [this.#shown], format).catch((p) => this.page.complain(p.message)), { sound: false });
  }

  async #offer() {
    find("model").replaceChildren(...this.models.map((m) => new Option(m.name, m.name)));
    find("model").parentElement.hidden = false;
    await this.#chooseModel();
    this.#draw();
  }

  async #chooseModel() {
    const { maps = [] } = await this.page.api.labels(this.#model.name);
    const all = new Option(t("settings.labels.all", { n: this.#model.labels.length }), "");
    const kept = find("labels").value;
    find("labels").replaceChildren(all, ...maps.filter((name) => SETS.includes(name)).map((name) => new Option(setName(name), name)));
    if (maps.includes(kept) && SETS.includes(kept)) find("labels").value = kept;
    find("card-body").replaceChildren(...cardParts(this.#model));
    this.#noteLabels();
    this.#draw();
  }

  #noteLabels() {
    find("labels-note").textContent = this.#lost ? t("settings.labels.lost") : "";
  }

  /** What is shown, looked at again with the settings as they are now: the browser has kept the file. */
  #lookAgain() {
    this.page.complain("");
    find("video").pause();
    this.uploads.again(this.#shown, { ...this.#fields, boxes: "yes" }, { lost: this.#lost });
  }

  #drawAgain() {
    const { state, file, fields } = this.#shown ?? {};
    const differs = state === "done" && Boolean(file) && Object.entries(this.#fields).some(([name, value]) => (fields?.[name] ?? "") !== value);
    say(find("settings-note"), differs ? "settings.differ.face" : "settings.next.picture");
    find("again").hidden = !differs;
  }

  // --- the camera ---

  async #toggle() {
    if (this.#starting) return;
    if (this.camera.on) return this.camera.stop();
    if (!find("consent").checked) {
      this.page.complain(t("camera.consent.first"));
      find("consent").focus();
      return;
    }
    this.#starting = true;
    try {
      this.page.complain("");
      this.#show(null);
      const seen = await this.camera.start(t("camera.name", { number: this.#visits + 1 }), this.#fields, { lost: this.#lost, palette: this.#palette, map: this.#wantsMap });
      this.#visits++;
      this.#all = [seen, ...this.#all];
      this.#chosen = null;
      this.#shown = seen;
      if (!find("consent").checked) this.camera.stop();
      this.page.announce(t("camera.on"));
    } catch (problem) {
      this.page.complain(problem.message);
    } finally {
      this.#starting = false;
      this.#draw();
    }
  }

  #onEvent(event) {
    if (this.#shown !== this.camera.seen) return;
    if (event.type === "frame") {
      this.#drawPicture();
      this.#drawNow();
      this.lanes.show(this.#shown, { time: this.#shown.duration, chosen: this.#chosen });
      this.#drawState();
    } else if (event.type === "map") this.#drawPicture();
    else if (event.type === "segment") {
      this.#drawResults();
      this.page.announce(`${event.who}: ${t("summary.from.to", { answer: answer(event, t("answer.none")), confidence: percent(event.confidence), from: clock(event.start), to: clock(event.end) })}`);
    }
  }

  #finished() {
    this.#draw();
    if (this.camera.seen?.summary) this.page.announce(summed(this.camera.seen));
  }

  // --- what is shown ---

  #choose(seen) {
    if (seen !== this.#shown) this.#chosen = null;
    this.#shown = seen;
    if (!this.camera.on) this.#show(seen);
    this.#draw();
  }

  /** Put a picture or a video on the stage; null takes away what is there. */
  #show(seen) {
    const [video, picture] = [find("video"), find("picture")];
    const file = seen?.file ?? null;
    if (this.#address?.file === file) return;
    if (this.#address) URL.revokeObjectURL(this.#address.url);
    this.#address = file ? { file, url: URL.createObjectURL(file) } : null;
    const isVideo = file?.type.startsWith("video/");
    video.controls = Boolean(isVideo);
    video.muted = false;
    for (const [element, wanted] of [[video, isVideo], [picture, file && !isVideo]]) {
      if (wanted) element.src = this.#address.url;
      else element.removeAttribute("src");
    }
    write(find("stage-note"), "");
    if (!isVideo) video.load();
  }

  #cannotShow() {
    say(find("stage-note"), "camera.cannot.show");
    this.#drawPicture();
  }

  #play(segment) {
    this.#person(segment.who);
    if (this.camera.on || this.#shown?.still) return;
    find("video").currentTime = segment.start;
    this.#draw();
  }

  #person(who) {
    this.#chosen = who;
    this.#draw();
  }

  /** Draw along while a video plays. */
  #follow() {
    const step = () => {
      if (find("video").paused || this.camera.on) return;
      this.#draw();
      requestAnimationFrame(step);
    };
    step();
  }

  get #time() {
    return this.camera.on ? this.#shown?.duration ?? 0 : find("video").currentTime || 0;
  }

  #draw() {
    this.#drawCamera();
    this.#drawList();
    this.#drawPicture();
    this.#drawNow();
    this.#drawResults();
    this.#drawState();
    this.#drawAgain();
    this.lanes.show(this.#shown, { time: this.#time, chosen: this.#chosen });
  }

  #drawCamera() {
    const { on } = this.camera;
    find("camera").classList.toggle("on", on);
    find("camera").setAttribute("aria-disabled", String(!find("consent").checked));
    say(find("camera-text"), on ? "speech.stop" : "face.start");
  }

  #drawList() {
    const acts = { choose: (s) => this.#choose(s), retry: (s) => this.uploads.retry(s), cancel: (s) => this.uploads.cancel(s) };
    drawRecordings(find("recordings-list"), this.#all, { chosen: this.#shown, acts });
    const { state } = this.#shown ?? {};
    find("recordings").hidden = this.#all.length < 2 && state !== "failed" && state !== "running";
    find("name").textContent = this.#shown ? `${this.#shown.name}${this.#shown.duration && state !== "live" ? `, ${long(this.#shown.duration)}` : ""}` : "";
  }

  #drawPicture() {
    const [video, picture] = [find("video"), find("picture")];
    const isCamera = this.camera.on;
    const hasVideo = isCamera || Boolean(video.getAttribute("src"));
    const hasPicture = !isCamera && Boolean(picture.getAttribute("src"));
    video.hidden = !hasVideo;
    picture.hidden = !hasPicture || hasVideo;
    const [wide, high] = hasVideo ? [video.videoWidth, video.videoHeight] : [picture.naturalWidth, picture.naturalHeight];
    const isThere = (hasVideo || hasPicture) && wide > 0;
    find("empty").hidden = isThere;
    say(find("empty"), this.#shown && !this.#shown.file && !isCamera ? "camera.not.kept" : "face.empty");
    find("stage").style.aspectRatio = isThere ? `${wide} / ${high}` : "";
    find("stage").style.maxWidth = isThere ? `calc(68vh * ${(wide / high).toFixed(4)})` : "";
    const mirror = isCamera && find("mirror").checked;
    video.classList.toggle("mirrored", mirror);
    const faces = isThere && this.#shown ? this.#shown.facesAt(this.#time) : [];
    const map = isCamera && this.#wantsMap ? this.#shown?.mapNow : null;
    drawFaces(find("canvas"), faces, { palette: this.#shown?.palette, mirror, chosen: this.#pointed()?.who, picture: this.camera.lagging, map });
    this.#drawLegend(map);
  }

  #drawLegend(map) {
    const isAsked = this.camera.on && this.#wantsMap;
    find("legend").hidden = !isAsked || !this.camera.maps;
    find("legend-text").textContent = map ? legend(map) : t("face.map.none");
    find("map").disabled = !this.#model.map;
    find("map-note").textContent = !this.#model.map ? t("settings.map.none") : isAsked && !this.camera.maps ? t("settings.map.later") : "";
  }

  /** The face of whom "Now" tells: who was chosen, or the largest. */
  #pointed() {
    if (!this.#shown) return null;
    const faces = this.#shown.facesAt(this.#time);
    return faces.find((face) => face.who === this.#chosen) ?? faces[0] ?? null;
  }

  /** What "Now" tells where no face is pointed at: of the camera that was, and before a video plays, the whole. */
  #whole() {
    const seen = this.#shown;
    if (seen?.state !== "done" || !best(seen.summary) || (seen.file && this.#time > 0)) return null;
    return seen.summaries[this.#chosen] ?? seen.summary;
  }

  #drawNow() {
    const face = this.#pointed();
    const told = face ?? this.#whole();
    const seen = this.#shown;
    const palette = seen?.labels.length ? seen.palette : this.#palette;
    this.bars.name(palette);
    this.bars.show(told?.scores ?? {}, { faded: !told });
    const of = told?.who ? `: ${told.who}` : "";
    write(find("now-title"), face ? `${t(seen.file ? "now.here" : "now.title")}${of}` : told ? `${t("now.all")}${of}` : t("now.title"));
    write(find("heard"), told ? answer(told, t("answer.none")) : this.#waiting());
    tintChip(find("heard-chip"), told, palette);
    find("heard-confidence").textContent = best(told) ? percent(told.confidence) : "";
    find("confidence").textContent = best(told) ? `${percent(told.confidence)}, ${strength(told.confidence)}` : "–";
    find("quality").textContent = best(told) ? percent(told.quality) : "–";
    find("heard-why").textContent = told?.reason ? `${capital(told.reason)}.` : "";
    this.#drawPeople(face);
  }

  #drawPeople(face) {
    const faces = this.#shown?.facesAt(this.#time) ?? [];
    const names = faces.length > 1 ? faces.map(({ who }) => who).filter(Boolean).sort(byNumber).slice(0, 24) : [];
    const root = find("people");
    if (root.dataset.names !== names.join("\n")) {
      root.dataset.names = names.join("\n");
      root.replaceChildren(
        ...names.map((who) => {
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: who });
          button.addEventListener("click", () => this.#person(who));
          return button;
        }),
      );
    }
    for (const button of root.children) button.setAttribute("aria-pressed", String(button.textContent === face?.who));
  }

  #waiting() {
    const { state } = this.#shown ?? {};
    if (state === "live") return t(this.#shown.model ? "answer.none.face" : "now.connecting");
    if (state === "running" || state === "waiting" || state === "finishing") return t("now.working");
    if (state === "failed") return t("now.unreadable");
    return t(this.#shown ? "answer.none.face" : "now.nothing");
  }

  #drawState() {
    const measured = this.camera.on ? this.camera.measured : null;
    const state = find("state");
    state.textContent = measured ? t("camera.rate.delay", { rate: measured.rate < 9.5 ? measured.rate.toFixed(1) : Math.round(measured.rate), delay: Math.round(measured.delay) }) : this.camera.on ? t("now.connecting") : "";
    if (measured) Object.assign(state.dataset, { rate: measured.rate.toFixed(2), delay: measured.delay.toFixed(1) });
  }

  #drawResults() {
    const seen = this.#shown;
    find("results").hidden = !seen || (!seen.segments.length && !seen.summary);
    if (find("results").hidden) return;
    this.segments.show(seen);
    this.segments.mark(seen.still ? -1 : this.#time);
    find("results-summary").textContent = seen.summary ? summed(seen) : "";
    find("warnings").hidden = !seen.warnings.length;
    find("warnings").replaceChildren(...seen.warnings.map((w) => Object.assign(document.createElement("li"), { textContent: w })));
    for (const button of find("downloads").children) button.disabled = seen.state !== "done";
  }
}

/** What a map means, with what it comes to. */
function legend({ label, confidence, covered, values, reason }) {
  if (!values) return `${capital(reason)}.`;
  return t("face.map", { label: labelled(label, { within: true }), confidence: percent(confidence), covered: percent(covered) });
}

const byNumber = (one, other) => one.localeCompare(other, "en", { numeric: true });

function summed({ summary, summaries, segments, still }) {
  if (!best(summary)) return t("face.none.found");
  const told = (one) => ({ answer: answer(one, t("answer.none"), { within: true }), confidence: percent(one.confidence) });
  const people = Object.entries(summaries);
  if (people.length > 6) return t("face.people", { n: people.length, ...told(summary) });
  if (people.length > 1) return people.map(([who, one]) => `${capital(who)}: ${told(one).answer}, ${told(one).confidence}`).join("; ") + ".";
  const parts = still ? "" : `; ${t(segments.length === 1 ? "summary.segments.one" : "summary.segments.many", { n: segments.length })}`;
  return `${t("summary.all", told(summary))}${parts}.`;
}

/** What main.js opens the tab with. */
export const open = (page, models) => new Faces(page, models);
