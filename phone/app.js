// The offline page: what is spoken and chosen goes to a worker beside the page, and what it answers is shown.

import "./phrases.js";
import { Bars } from "./bars.js";
import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { save } from "./download.js";
import { offerKeys, rememberKeys, timeActs } from "./keys.js";
import { drawFailures, drawRecordings } from "./list.js";
import { setFew } from "./long.js";
import { Player } from "./player.js";
import { Recorder } from "./recorder.js";
import { Recording, SCHEMA } from "./recording.js";
import { Samples } from "./samples.js";
import { Segments } from "./segments.js";
import { mixed, wavForm } from "./sound.js";
import { stick } from "./sticky.js";
import { say, t } from "./strings.js";
import { Timeline } from "./timeline.js";
import { offerLanguage, offerTheme } from "./top.js";
import { drawCard, drawSummary, pointed, summed } from "./voice-card.js";
import { clock, failure, long } from "./words.js";

const find = (id) => document.getElementById(id);
/** Hertz at which the browser decodes: then the resampling is ours, and the scores are those of Python. */
const DECODED = 48000;
/** Seconds from which it decodes at 16 kHz, a third of the memory; its own resampling moves scores by up to 0.03. */
const LONG = 1200;
/** Bytes of a file that are read: it has to lie in memory whole, and decoded besides. */
const LARGEST = 400e6;
const player = new Player(find("audio"));
const timeline = new Timeline(find("tracks"));
const bars = new Bars(find("bars"));
const segments = new Segments(find("segments"), hear);

setFew(Number(find("main").dataset.few));
let cards = {};
let worker = null;
let recordings = [];
let chosen = null;
let recorder = null;
let spoken = 0; // recordings from the microphone so far
let starting = false;
const asked = new Map(); // by number: the recording that the worker works on
let number = 0;
let queue = Promise.resolve(); // files, one after the other: a phone's memory holds one decoded recording

// --- the worker ----------------------------------------------------------------------------------

function ask(recording, message, transfer = []) {
  asked.set(recording.number, recording);
  worker.postMessage({ id: recording.number, model: recording.asked, ...message }, transfer);
}

function onMessage({ data: { id, type, ...given } }) {
  const recording = asked.get(id);
  if (!recording) return;
  const changed = {
    piece: () => fill(recording, given),
    opened: () => asked.delete(id),
    progress: () => (recording.progress = given.share),
    event: () => recording.event(given.event),
    done: () => finish(recording, given),
    failed: () => fail(recording, given.reason),
  }[type];
  changed?.();
  if (recording !== chosen) return type === "event" || drawChosen();
  if (type === "piece" || type === "done") timeline.show(recording);
  if (type !== "event") return drawChosen();
  timeline.draw();
  drawNow();
  drawResults();
}

/** What the worker makes of a file's sound, piece by piece. */
function fill(recording, { piece, length }) {
  if (!recording.samples) recording.hear(new Samples(length));
  recording.samples.append(piece);
}

function finish(recording, { result, hops, seconds }) {
  recording.take(result);
  Object.assign(recording, { windows: hops, seconds });
  asked.delete(recording.number);
  recording.over?.();
  announce(`${recording.name}: ${summed(recording)}`);
}

function fail(recording, reason) {
  asked.delete(recording.number);
  Object.assign(recording, { state: "failed", reason });
  if (recorder?.recording === recording) stop();
  recording.over?.();
  announce(`${recording.name}: ${failure(reason)}`);
}

// --- what is shown -------------------------------------------------------------------------------

function choose(recording) {
  chosen = recording;
  timeline.show(recording);
  drawChosen();
}

function drawChosen() {
  drawRecordings(find("recordings-list"), recordings, { chosen, acts: { choose, retry: wait, cancel } });
  drawFailures(recordings, { count: find("recordings-count"), failures: find("failures"), summary: find("failures-count"), list: find("failures-list"), all: find("failures-retry") }, wait);
  find("recordings").hidden = recordings.length < 2 && chosen?.state !== "failed" && chosen?.state !== "running";
  const still = chosen && chosen.state !== "live";
  find("view-name").textContent = chosen ? [chosen.name, still && chosen.duration && long(chosen.duration), chosen.seconds && t("phone.computed", { time: long(chosen.seconds) })].filter(Boolean).join(", ") : "";
  player.load(still && chosen.file?.size !== 0 ? chosen.address : null);
  timeline.draw();
  drawResults();
  drawNow();
}

function drawResults() {
  find("results").hidden = !chosen || (!chosen.segments.length && !chosen.summary);
  if (find("results").hidden) return;
  segments.show(chosen);
  segments.mark(timeline.time);
  drawSummary(chosen);
  for (const button of find("downloads").children) button.disabled = chosen.state !== "done";
}

function drawNow() {
  drawCard(bars, pointed(chosen, { time: timeline.time, playing: player.playing, placed: timeline.placed }), { recording: chosen, palette: colours(cards[find("model").value]?.labels ?? []) });
}

function announce(words) {
  find("announcer").textContent = words;
}

function complain(words) {
  find("problem").hidden = !words;
  find("problem-text").textContent = failure(words);
}

// --- speaking ------------------------------------------------------------------------------------

async function record() {
  if (starting) return;
  if (recorder) return stop();
  if (!find("consent").checked) {
    complain(t("phone.consent.first"));
    return find("consent").focus();
  }
  starting = true;
  try {
    player.pause();
    complain("");
    await listen();
    announce(t("speech.recording"));
  } catch (problem) {
    complain(problem.message);
  } finally {
    starting = false;
    drawRecord();
  }
}

async function listen() {
  const recording = new Recording(t("speech.microphone", { number: spoken + 1 }));
  const opened = new Recorder();
  opened.recording = recording;
  opened.addEventListener("piece", ({ detail }) => onPiece(recording, detail));
  opened.addEventListener("lost", stop);
  recording.asked = find("model").value;
  recording.number = ++number;
  // Before the first piece comes.
  ask(recording, { type: "listen" });
  try {
    await opened.start();
  } catch (problem) {
    asked.delete(recording.number);
    worker.postMessage({ id: recording.number, type: "end" });
    throw problem;
  }
  // A screen that goes dark would end the recording.
  opened.awake = await navigator.wakeLock?.request("screen").catch(() => null);
  recorder = opened;
  spoken++;
  recording.nameLabels(cards[recording.asked].labels);
  recording.state = "live";
  recordings = [recording, ...recordings];
  choose(recording);
}

function onPiece(recording, piece) {
  recording.samples.append(piece);
  worker.postMessage({ id: recording.number, type: "feed", piece });
  const peak = piece.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
  if (recorder) drawLevel(20 * Math.log10(peak + 1e-6));
  find("clock").textContent = clock(recording.duration);
  if (recording === chosen) timeline.draw();
}

async function stop() {
  const stopped = recorder;
  if (!stopped) return;
  recorder = null;
  await stopped.stop();
  stopped.awake?.release();
  const { recording } = stopped;
  if (recording.state === "live") {
    recording.state = "finishing";
    ask(recording, { type: "end" });
  }
  drawRecord();
  if (recording === chosen) timeline.show(recording);
  drawChosen();
}

function drawRecord() {
  find("record").classList.toggle("on", Boolean(recorder));
  find("record").setAttribute("aria-disabled", String(!find("consent").checked));
  say(find("record-text"), recorder ? "speech.stop" : "speech.record");
  if (!recorder) drawLevel(-60);
}

function drawLevel(level) {
  const shown = Math.max(-60, Math.min(0, level));
  find("level").setAttribute("aria-valuenow", shown.toFixed(0));
  find("level-fill").style.transform = `scaleX(${(shown + 60) / 60})`;
  find("level-fill").classList.toggle("hot", shown > -1);
}

find("record").addEventListener("click", record);
find("consent").addEventListener("change", () => {
  if (!find("consent").checked) stop();
  complain("");
  drawRecord();
});

// --- files ---------------------------------------------------------------------------------------

function take(files) {
  if (!files.length) return;
  const added = files.map((file) => new Recording(file.name, { file }));
  recordings = [...added, ...recordings];
  complain("");
  if (!recorder) choose(added[0]);
  added.forEach(wait);
}

function wait(recording) {
  Object.assign(recording, { state: "waiting", reason: "", asked: find("model").value, number: ++number });
  recording.nameLabels(cards[recording.asked].labels);
  queue = queue.then(() => recording.state === "waiting" && analyse(recording));
  drawChosen();
}

/** Resolves when the worker is done with it, for good or ill. */
async function analyse(recording) {
  Object.assign(recording, { state: "running", progress: null, samples: null });
  const over = new Promise((done) => (recording.over = done));
  drawChosen();
  try {
    if (!recording.file.size) throw new Error(t("phone.unreadable"));
    if (recording.file.size > LARGEST) throw new Error(t("phone.too.large", { size: Math.round(recording.file.size / 1e6), most: LARGEST / 1e6 }));
    const bytes = await recording.file.arrayBuffer();
    // A WAV file is read as Python reads it; the rest is the browser's.
    const sound = wavForm(bytes) ? { bytes } : await decoded(bytes, await lengthOf(recording.address));
    ask(recording, { type: "analyse", ...sound }, [sound.bytes ?? sound.signal.buffer]);
  } catch (problem) {
    fail(recording, problem.message);
    drawChosen();
  }
  return over;
}

/** What the browser makes of a file's bytes: mono, at a rate that keeps all of speech. */
async function decoded(bytes, seconds) {
  const rate = seconds > LONG ? 16000 : DECODED;
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Error(t("phone.unreadable"));
  }
  return { rate, warnings: rate < DECODED ? [t("phone.coarse")] : [], signal: mixed(Array.from({ length: sound.numberOfChannels }, (_, c) => sound.getChannelData(c))) };
}

/** Seconds of a recording by its header; 0 where that does not say. */
function lengthOf(address) {
  const sound = Object.assign(new Audio(), { preload: "metadata", src: address });
  return new Promise((done) => {
    sound.addEventListener("loadedmetadata", () => done(Number.isFinite(sound.duration) ? sound.duration : 0), { once: true });
    sound.addEventListener("error", () => done(0), { once: true });
  });
}

function cancel(recording) {
  if (asked.has(recording.number)) return worker.postMessage({ id: recording.number, type: "cancel" });
  fail(recording, "cancelled.");
  drawChosen();
}

find("example").addEventListener("click", async () => {
  const response = await fetch("example.mp3");
  take([new File([await response.blob()], "example.mp3", { type: "audio/mpeg" })]);
});
find("files").addEventListener("change", ({ target }) => {
  take([...target.files]);
  target.value = "";
});

const curtain = (shown) => (find("curtain").hidden = !shown);
addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  curtain(true);
});
addEventListener("dragleave", (event) => event.relatedTarget || curtain(false));
addEventListener("drop", (event) => {
  event.preventDefault();
  curtain(false);
  take([...(event.dataTransfer?.files ?? [])]);
});

// --- hearing, saving -----------------------------------------------------------------------------

function hear(segment) {
  timeline.place(segment.start);
  showTime(segment.start);
  player.playSpan(segment.start, segment.end);
}

function showTime(time) {
  find("position").textContent = clock(time);
  segments.mark(time, { follow: true });
  drawNow();
}

timeline.addEventListener("seek", ({ detail }) => {
  player.seek(detail);
  showTime(detail);
});
timeline.addEventListener("segment", ({ detail }) => hear(detail));
player.addEventListener("time", () => {
  timeline.at(player.time);
  showTime(player.time);
});
player.addEventListener("state", () => {
  find("play").disabled = !player.playable;
  say(find("play"), player.playing ? "view.pause" : "view.play");
});
find("audio").addEventListener("error", () => {
  if (find("audio").getAttribute("src") && chosen?.playDecoded()) player.load(chosen.address);
});
find("play").addEventListener("click", () => player.toggle());
const setSpeed = (index) => {
  find("speed").selectedIndex = Math.max(0, Math.min(find("speed").length - 1, index));
  player.rate = Number(find("speed").value);
};
find("speed").addEventListener("change", () => setSpeed(find("speed").selectedIndex));
const acts = timeActs(timeline, {
  play: () => player.toggle(),
  lane: (number) => timeline.choose(number),
  speed: (direction) => setSpeed(find("speed").selectedIndex + direction),
});
offerKeys({
  dialog: find("keys-dialog"),
  opener: find("keys-open"),
  box: find("keys-on"),
  acts: () => acts,
});
rememberKeys(find("keys-on"));

const WRITERS = {
  json: (recording) => new Blob([JSON.stringify({ schema: SCHEMA, results: [recording.result()] }, null, 1)], { type: "application/json" }),
  csv: (recording) => new Blob([table(recording)], { type: "text/csv" }),
  wav: (recording) => recording.wav(),
};

function table({ name, segments: found, labels }) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = found.map((s) => [quoted(name), s.start.toFixed(3), s.end.toFixed(3), s.label ?? "", s.best ?? "", s.confidence.toFixed(4), s.quality.toFixed(4), quoted(s.reason), ...labels.map((l) => s.scores[l].toFixed(4))]);
  return [["source", "start", "end", "label", "best", "confidence", "quality", "reason", ...labels], ...rows].map((row) => `${row.join(",")}\n`).join("");
}

for (const format of Object.keys(WRITERS)) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.format = format;
  if (format === "wav") say(button, "downloads.wav");
  else button.textContent = format.toUpperCase();
  find("downloads").append(button);
}
find("downloads").addEventListener("click", ({ target }) => {
  const { format } = target.dataset;
  if (format) save(WRITERS[format](chosen), `${chosen.name.replace(/\.[^.]{1,5}$/, "")}.${format}`);
});

// --- the beginning -------------------------------------------------------------------------------

/** Let the service worker stand before anything else is fetched: it keeps all files, and lets nothing out. */
async function keep() {
  if (!navigator.serviceWorker) return "phone.network";
  const registration = await navigator.serviceWorker.register("sw.js");
  if (!registration.active) await activated(registration.installing ?? registration.waiting);
  navigator.storage?.persist?.(); // or the browser may throw the files away when room is short
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    installing.addEventListener("statechange", () => registration.waiting === installing && say(find("kept-text"), "phone.update"));
  });
  return registration.waiting ? "phone.update" : "phone.offline";
}

function activated(coming) {
  return new Promise((done, refuse) => {
    const look = () => ({ activated: done, redundant: refuse })[coming.state]?.();
    coming.addEventListener("statechange", look);
    look();
  });
}

function showModel() {
  const card = cards[find("model").value];
  if (!card) return;
  find("card-body").replaceChildren(...cardParts({ name: card.name, labels: card.labels, card }));
  find("model-note").textContent = t(`phone.model.${card.name}`);
  drawNow();
}

async function begin() {
  // Without it the page works as long as there is a network.
  const standing = await keep().catch(() => "phone.network");
  find("kept").dataset.state = navigator.serviceWorker?.controller ? "there" : "waiting";
  say(find("kept-text"), standing);
  find("kept-size").hidden = true;
  cards = await (await fetch("models.json")).json();
  const names = Object.keys(cards).filter((name) => name !== "activity");
  find("model").append(...names.map((name) => new Option(name, name)));
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = onMessage;
  worker.onerror = () => complain(t("phone.browser"));
  find("model").addEventListener("change", showModel);
  showModel();
  // So that the first recording needs not wait for it.
  worker.postMessage({ id: 0, type: "open", model: names[0] });
  for (const id of ["files", "record"]) find(id).disabled = false;
  document.body.dataset.ready = "";
}

// Where the browser can install the page it says so; elsewhere its own menu does.
addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  find("install").hidden = false;
  find("install").onclick = async () => {
    await event.prompt();
    find("install").hidden = true;
  };
});
find("problem-close").addEventListener("click", () => complain(""));
addEventListener("beforeunload", (event) => recorder && event.preventDefault());
find("consent").checked = false; // browsers restore boxes after a reload; consent is given anew
for (const id of ["files", "record"]) find(id).disabled = true;
const drawTheme = offerTheme(() => timeline.draw());
offerLanguage(() => {
  segments.redraw();
  showModel();
  drawChosen();
  drawRecord();
});
drawTheme();
drawRecord();
stick(find("view"), find("probabilities-track"));
begin().catch(() => complain(t("phone.not.loaded")));
