// The page: what is clicked, spoken and dropped, and what is shown of it.

import { Api } from "./api.js";
import { Bars } from "./bars.js";
import { download, offerDownloads } from "./download.js";
import { drawRecordings } from "./list.js";
import { Live } from "./live.js";
import { Player } from "./player.js";
import { Reference } from "./reference.js";
import { Segments } from "./segments.js";
import { Settings } from "./settings.js";
import { Timeline } from "./timeline.js";
import { askToken, offerTheme } from "./top.js";
import { Uploads } from "./uploads.js";
import { best, capital, clock, long, percent, strength, answer, why } from "./words.js";

const find = (id) => document.getElementById(id);
const api = new Api();
const settings = new Settings(api);
const live = new Live(api);
const uploads = new Uploads(api);
const player = new Player(find("audio"));
const timeline = new Timeline(find("tracks"));
const bars = new Bars(find("bars"));
const segments = new Segments(find("segments"), (segment) => hear(segment));
const reference = new Reference(api, { mayRecord, model: () => settings.model?.name, adapt: () => settings.chooseAdaptive() });

let recordings = [];
let chosen = null;
let starting = false;
const opened = {}; // by modality: what a tab besides that of voices is, once a model needs it
let spoken = 0; // recordings from the microphone so far
let serverThere = null;

// --- what is shown -------------------------------------------------------------------------------

function choose(recording) {
  chosen = recording;
  timeline.show(recording);
  drawChosen();
}

function drawChosen() {
  drawRecordings(find("recordings-list"), recordings, { chosen, acts: { choose, retry: (r) => uploads.retry(r), cancel: (r) => uploads.cancel(r) } });
  find("recordings").hidden = recordings.length < 2 && chosen?.state !== "failed" && chosen?.state !== "running";
  find("view-name").textContent = chosen ? `${chosen.name}${chosen.duration ? `, ${long(chosen.duration)}` : ""}` : "";
  const still = chosen && chosen.state !== "live";
  player.load(still ? chosen.address : null);
  for (const id of ["zoom-in", "zoom-out", "zoom-all"]) find(id).disabled = !still;
  timeline.draw();
  drawResults();
  drawNow();
}

function drawResults() {
  find("results").hidden = !chosen || (!chosen.segments.length && !chosen.summary);
  if (find("results").hidden) return;
  segments.show(chosen);
  segments.mark(timeline.time);
  find("results-summary").textContent = chosen.summary ? summed(chosen) : "";
  find("warnings").hidden = !chosen.warnings.length;
  find("warnings").replaceChildren(...chosen.warnings.map((w) => Object.assign(document.createElement("li"), { textContent: w })));
  const done = recordings.filter((r) => r.state === "done");
  find("scope-label").hidden = done.length < 2;
  if (done.length < 2) find("scope").checked = false;
  for (const button of find("downloads").children) {
    const sound = button.dataset.format === "wav";
    button.disabled = sound ? !chosen.samples?.length || chosen.state === "live" : chosen.state !== "done";
  }
}

function summed({ summary, summaries, segments: { length } }) {
  if (!best(summary)) return "No speech was found.";
  const people = Object.entries(summaries);
  if (people.length > 1) return people.map(([who, one]) => `${capital(who)}: ${answer(one).toLowerCase()}, ${percent(one.confidence)}`).join("; ") + ".";
  return `All in all: ${answer(summary).toLowerCase()}, ${percent(summary.confidence)}; ${length} ${length === 1 ? "segment" : "segments"}.`;
}

/** What stands in "Now": while one speaks the newest window; later the segment at the playhead. */
function pointed() {
  if (!chosen) return null;
  if (chosen.state === "live") return chosen.windows.at(-1) ?? null;
  const at = chosen.segments.find((s) => s.start <= timeline.time && timeline.time < s.end);
  return at ?? (timeline.time > 0 || player.playing ? null : chosen.summary);
}

function drawNow() {
  const prediction = pointed();
  const palette = chosen?.labels.length ? chosen.palette : settings.palette;
  const isLive = chosen?.state === "live";
  const silent = isLive && !chosen.speech.some((s) => s.end === undefined);
  find("now-title").textContent = isLive ? "Now" : prediction && prediction === chosen?.summary ? "All in all" : "Here";
  if (!chosen) find("now-title").textContent = "Now";
  find("now").classList.toggle("silent", silent);
  bars.name(palette);
  bars.show(prediction?.scores ?? {}, { faded: !prediction || silent });
  find("heard").textContent = prediction ? answer(prediction) : waitingWords(isLive);
  find("heard-chip").style.backgroundColor = palette[best(prediction)] ?? "";
  find("heard-confidence").textContent = best(prediction) ? percent(prediction.confidence) : "";
  find("confidence").textContent = best(prediction) ? `${percent(prediction.confidence)}, ${strength(prediction.confidence)}` : "–";
  find("quality").textContent = best(prediction) ? `${percent(prediction.quality)}` : "–";
  const because = isLive || !prediction ? "" : why(prediction, chosen);
  find("heard-why").textContent = because ? `${capital(because)}.` : "";
}

function waitingWords(isLive) {
  if (isLive) return "Listening …";
  if (chosen?.state === "finishing" || chosen?.state === "running") return "Working …";
  return chosen ? "Nobody speaks" : "Nothing yet";
}

function announce(words) {
  find("announcer").textContent = words;
}

function complain(words, retry = null) {
  find("problem").hidden = !words;
  find("problem-text").textContent = words;
  find("problem-retry").hidden = !retry;
  find("problem-retry").onclick = retry;
}

// --- speaking ------------------------------------------------------------------------------------

function mayRecord() {
  if (live.listening || reference.recording) return false;
  if (find("consent").checked) return true;
  complain("The microphone stays closed until you agree (the switch below the button). Recordings can be uploaded without.");
  find("consent").focus();
  return false;
}

async function record() {
  if (starting) return;
  if (live.listening) return live.stop();
  if (!mayRecord()) return;
  starting = true;
  try {
    const fields = { ...settings.fields(), reference: reference.id };
    if (live.busy) live.cancel();
    player.pause();
    complain("");
    const recording = await live.start(`Microphone ${spoken + 1}`, fields, settings);
    spoken++;
    recordings = [recording, ...recordings];
    choose(recording);
    announce("Recording.");
  } catch (problem) {
    complain(problem.message);
  } finally {
    starting = false;
    drawRecord();
  }
}

function drawRecord() {
  const on = live.listening;
  find("record").classList.toggle("on", on);
  find("record").setAttribute("aria-disabled", String(!find("consent").checked));
  find("record-text").textContent = on ? "Stop" : "Record";
  if (!on) drawLevel(-60);
}

function drawLevel(level) {
  const shown = Math.max(-60, Math.min(0, level));
  find("level").setAttribute("aria-valuenow", shown.toFixed(0));
  find("level-fill").style.transform = `scaleX(${(shown + 60) / 60})`;
  find("level-fill").classList.toggle("hot", shown > -1);
}

function onPiece({ detail: piece }) {
  let peak = 0;
  for (const x of piece) peak = Math.max(peak, Math.abs(x));
  if (live.listening) drawLevel(20 * Math.log10(peak + 1e-6));
  find("clock").textContent = clock(live.recording.duration);
  if (chosen !== live.recording) return;
  timeline.draw();
  const late = live.behind > 3 && !live.gone ? `, shown ${Math.round(live.behind)} s later: the server is busy` : "";
  if (live.listening) find("view-name").textContent = `${chosen.name}${late}`;
}

function onEvent({ detail: event }) {
  if (chosen !== live.recording || event.type === "level") return;
  timeline.draw();
  drawNow();
  if (event.type !== "segment" || !event.stable) return;
  drawResults();
  announce(`${answer(event)}, ${percent(event.confidence)}, from ${clock(event.start)} to ${clock(event.end)}`);
}

function stopped() {
  drawRecord();
  if (chosen === live.recording) timeline.show(chosen);
  drawChosen();
}

function finished() {
  if (chosen === live.recording) timeline.show(chosen);
  drawChosen();
  const { summary } = live.recording;
  announce(best(summary) ? `Done. All in all ${answer(summary)}, ${percent(summary.confidence)}.` : "Done. No speech was found.");
}

live.addEventListener("changed", onPiece);
live.addEventListener("event", onEvent);
live.addEventListener("ready", drawNow);
live.addEventListener("stopped", stopped);
live.addEventListener("done", finished);
live.addEventListener("gone", () => look(false));
live.addEventListener("back", () => look(true));
live.addEventListener("failed", ({ detail }) => {
  drawRecord();
  drawChosen();
  complain(detail);
});
find("record").addEventListener("click", record);
find("consent").addEventListener("change", () => {
  if (!find("consent").checked) {
    live.stop();
    if (reference.recording) reference.cancel();
  }
  complain("");
  drawRecord();
});

// --- files ---------------------------------------------------------------------------------------

function take(files) {
  if (!files.length) return;
  try {
    const added = uploads.add([...files], { ...settings.fields(), channel: settings.channel, reference: reference.id }, settings);
    recordings = [...added, ...recordings];
    complain("");
    if (!live.listening) choose(added[0]);
  } catch (problem) {
    complain(problem.message);
  }
}

uploads.addEventListener("changed", ({ detail: recording }) => {
  if (recording === chosen && recording.state !== "waiting") timeline.show(recording);
  if (recordings.includes(recording)) drawChosen();
  if (recording.state === "done") announce(`${recording.name}: ${summed(recording)}`);
  if (recording.state === "failed") announce(`${recording.name}: ${recording.reason}`);
});
find("files").addEventListener("change", ({ target }) => {
  sort([...target.files]);
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
  sort([...(event.dataTransfer?.files ?? [])]);
});

/** Files that were dropped: pictures have faces, texts words, captions belong to a video; else what the tab is about. */
function sort(files) {
  const { tab } = find("main").dataset;
  const here = opened[tab] && tab !== "text" ? tab : "speech";
  const isText = (file) => /\.(txt|srt|vtt|csv|tsv)$/i.test(file.name);
  const areCaptions = here === "fusion" && (opened.fusion.hasVideo || files.some((file) => !isText(file)));
  const place = (file) => {
    if (file.type.startsWith("image/") && opened.face) return "face";
    if (isText(file)) return areCaptions ? "fusion" : opened.text ? "text" : here;
    return here;
  };
  for (const name of new Set(files.map(place))) {
    const some = files.filter((file) => place(file) === name);
    if (name !== here || tab === "text") showTab(name);
    if (name === "speech") take(some);
    else opened[name].take(some);
  }
}

// --- the tabs ------------------------------------------------------------------------------------

const TITLES = {
  speech: ["How does a voice sound?", find("lead").textContent],
  face: ["How does a face look?", "Turn on the camera, or drop a picture or a video. You get a box and a timeline for each face, how sure the model is, and why when it is not."],
  fusion: ["What do voice, face and words say together?", "Turn on camera and microphone, or drop a video. You get a lane for each, what they say together, and where they contradict each other."],
  text: ["What do words say?", "Write a sentence, or drop a text or subtitles. You get the emotion of each sentence, how sure the model is, and the words it rests on."],
};

function showTab(name) {
  if (find("main").dataset.tab === name) return;
  opened[find("main").dataset.tab]?.leave();
  find("main").dataset.tab = name;
  for (const radio of document.getElementsByName("tab")) radio.checked = radio.value === name;
  [find("source-title").textContent, find("lead").textContent] = TITLES[name];
  if (name !== "speech") {
    live.stop();
    player.pause();
  }
  timeline.draw();
}

/** Open the modules of the page that models name, beside that of the microphone. */
async function openModules(models) {
  const pages = new Set(models.map((m) => m.page).filter((page) => page && page !== "recorder.js"));
  for (const page of pages) {
    const module = await import(new URL(page, import.meta.url));
    const own = models.filter((m) => m.page === page);
    opened[own[0].modality] ??= module.open({ api, complain, announce }, own);
  }
  // Shown from the beginning, so that nothing moves under the pointer; without a choice they go.
  const tabs = [...(settings.model ? ["speech"] : []), ...Object.keys(opened)];
  find("tabs").hidden = tabs.length < 2;
  for (const radio of document.getElementsByName("tab")) {
    radio.disabled = false;
    radio.closest("label").hidden = !tabs.includes(radio.value);
  }
  if (!settings.model && tabs.length) showTab(tabs[0]);
}

for (const radio of document.getElementsByName("tab")) radio.addEventListener("change", () => showTab(radio.value));

// --- hearing -------------------------------------------------------------------------------------

function hear(segment) {
  timeline.at(segment.start);
  find("position").textContent = clock(segment.start);
  segments.mark(segment.start);
  drawNow();
  player.playSpan(segment.start, segment.end);
}

timeline.addEventListener("seek", ({ detail }) => {
  player.seek(detail);
  find("position").textContent = clock(detail);
  segments.mark(detail);
  drawNow();
});
timeline.addEventListener("segment", ({ detail }) => hear(detail));
timeline.addEventListener("toggle", () => player.toggle());
player.addEventListener("time", () => {
  timeline.at(player.time);
  find("position").textContent = clock(player.time);
  segments.mark(player.time);
  drawNow();
});
player.addEventListener("state", () => {
  find("play").disabled = !player.playable;
  find("play").textContent = player.playing ? "Pause" : "Play";
});
find("audio").addEventListener("error", () => {
  if (find("audio").getAttribute("src") && chosen?.playDecoded()) player.load(chosen.address);
});
find("play").addEventListener("click", () => player.toggle());
find("zoom-in").addEventListener("click", () => timeline.zoom(0.5));
find("zoom-out").addEventListener("click", () => timeline.zoom(2));
find("zoom-all").addEventListener("click", () => timeline.all());

offerDownloads(find("downloads"), async (format) => {
  const done = recordings.filter((r) => r.state === "done");
  const all = find("scope").checked && !["srt", "audacity", "textgrid", "elan", "wav"].includes(format);
  try {
    await download(api, all ? done : [chosen], format);
  } catch (problem) {
    complain(problem.message);
  }
});

// --- the server, the theme, the beginning ----------------------------------------------------------

async function look(there) {
  if (there === undefined) there = await api.alive();
  if (live.gone) there = false;
  const before = serverThere;
  serverThere = there;
  find("server").dataset.state = there ? "there" : "gone";
  find("server-text").textContent = there ? "Server ready" : goneWords();
  if (before === false && there) {
    announce("The server is back.");
    if (!settings.model) begin();
  }
}

function goneWords() {
  if (!live.busy) return "Server gone; trying again";
  return live.gone < 30 ? `Server gone; trying to go on (${Math.ceil(30 - live.gone)} s)` : "Server gone; the recording is kept here";
}

function watch() {
  look(live.busy && serverThere === false ? !live.gone : undefined);
  setTimeout(watch, serverThere ? 8000 : 1000);
}

const drawTheme = offerTheme(() => timeline.draw());
askToken(api);

async function begin() {
  // Before anything is awaited: what is said meanwhile must stay.
  complain("");
  try {
    const { notice, store, version } = await api.settings();
    if (notice) find("notice").textContent = notice;
    find("notice").classList.toggle("stores", Boolean(store));
    find("consent-more").classList.toggle("stores", Boolean(store));
    if (store) find("consent-more").textContent = "This server stores recordings and results.";
    if (store) find("video-consent-more").textContent = "Pictures are not stored; this server stores recordings and results.";
    find("version").textContent = version ? `affekt ${version}` : "";
    await settings.load();
    await openModules(settings.models);
  } catch (problem) {
    complain(problem.message, begin);
  }
}

settings.addEventListener("changed", drawNow);
find("problem-close").addEventListener("click", () => complain(""));
addEventListener("beforeunload", (event) => live.listening && event.preventDefault());
document.querySelector('[name="tab"][value="speech"]').checked = true;
find("consent").checked = false; // browsers restore boxes after a reload; consent is given anew
drawTheme();
drawNow();
drawRecord();
watch();
begin();
