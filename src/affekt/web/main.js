// The page: what is clicked, spoken and dropped, and what is shown of it.

import { Api } from "./api.js";
import { Bars } from "./bars.js";
import { download, offerDownloads } from "./download.js";
import { offerKeys, rememberKeys, timeActs } from "./keys.js";
import { drawFailures, drawRecordings } from "./list.js";
import { Live } from "./live.js";
import { setFew } from "./long.js";
import { Player } from "./player.js";
import { Reference } from "./reference.js";
import { Segments } from "./segments.js";
import { Settings } from "./settings.js";
import { stick } from "./sticky.js";
import { say, t } from "./strings.js";
import { Timeline } from "./timeline.js";
import { askToken, offerLanguage, offerTheme } from "./top.js";
import { Uploads } from "./uploads.js";
import { drawCard, drawSummary, pointed, summed } from "./voice-card.js";
import { answer, clock, failure, long, percent, whoever } from "./words.js";

const find = (id) => document.getElementById(id);
const api = new Api();
const settings = new Settings(api);
const live = new Live(api);
const uploads = new Uploads(api);
const player = new Player(find("audio"));
const timeline = new Timeline(find("tracks"));
const bars = new Bars(find("bars"));
const segments = new Segments(find("segments"), (segment) => hear(segment));
const reference = new Reference(api, { mayRecord, model: () => settings.model?.name, adapt: () => settings.chooseAdaptive(), changed: () => drawAgain() });

let recordings = [];
let chosen = null;
let starting = false;
const opened = {}; // by modality: what a tab besides that of voices is, once a model needs it
let spoken = 0; // recordings from the microphone so far
let serverThere = null;
let beginning = null; // while the page asks the server what there is

// --- what is shown -------------------------------------------------------------------------------

function choose(recording) {
  chosen = recording;
  timeline.show(recording);
  drawChosen();
}

function drawChosen() {
  drawRecordings(find("recordings-list"), recordings, { chosen, acts: { choose, retry: (r) => uploads.retry(r), cancel: (r) => uploads.cancel(r) } });
  const places = { count: find("recordings-count"), failures: find("failures"), summary: find("failures-count"), list: find("failures-list"), all: find("failures-retry") };
  drawFailures(recordings, places, (r) => uploads.retry(r));
  find("recordings").hidden = recordings.length < 2 && chosen?.state !== "failed" && chosen?.state !== "running";
  find("view-name").textContent = chosen ? `${chosen.name}${chosen.duration ? `, ${long(chosen.duration)}` : ""}` : "";
  const still = chosen && chosen.state !== "live";
  player.load(still ? chosen.address : null);
  timeline.draw();
  drawResults();
  drawNow();
  drawAgain();
}

function drawResults() {
  find("results").hidden = !chosen || (!chosen.segments.length && !chosen.summary);
  if (find("results").hidden) return;
  segments.show(chosen);
  segments.mark(timeline.time);
  drawSummary(chosen);
  const done = recordings.filter((r) => r.state === "done");
  find("scope-label").hidden = done.length < 2;
  if (done.length < 2) find("scope").checked = false;
  for (const button of find("downloads").children) {
    const sound = button.dataset.format === "wav";
    button.disabled = sound ? !chosen.samples?.length || chosen.state === "live" : chosen.state !== "done";
  }
}

function drawNow() {
  drawCard(bars, pointed(chosen, { time: timeline.time, playing: player.playing, placed: timeline.placed }), { recording: chosen, palette: settings.palette });
}

/** Whether what is shown was heard with other settings, and can be heard again. */
function drawAgain() {
  const can = chosen?.state === "done" && Boolean(chosen.file || chosen.samples?.length) && !live.listening;
  const now = { ...settings.wanted, channel: settings.channel, reference: reference.id };
  const differs = can && Object.entries(now).some(([name, value]) => (chosen.fields?.[name] ?? "") !== (value ?? "") && (name !== "channel" || chosen.fields?.channel !== undefined));
  say(find("settings-note"), differs ? "settings.differ" : "settings.next");
  find("again").hidden = !differs;
}

function announce(words) {
  find("announcer").textContent = words;
}

function complain(words, retry = null) {
  find("problem").hidden = !words;
  find("problem-text").textContent = failure(words);
  find("problem-retry").hidden = !retry;
  find("problem-retry").onclick = retry;
}

// --- speaking ------------------------------------------------------------------------------------

function mayRecord() {
  if (live.listening || reference.recording) return false;
  if (find("consent").checked) return true;
  complain(t("speech.consent.first"));
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
    const recording = await live.start(t("speech.microphone", { number: spoken + 1 }), fields, settings);
    spoken++;
    recordings = [recording, ...recordings];
    choose(recording);
    announce(t("speech.recording"));
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
  say(find("record-text"), on ? "speech.stop" : "speech.record");
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
  const late = live.behind > 3 && !live.gone ? `, ${t("speech.late", { seconds: Math.round(live.behind) })}` : "";
  if (live.listening) find("view-name").textContent = `${chosen.name}${late}`;
}

function onEvent({ detail: event }) {
  if (chosen !== live.recording || event.type === "level") return;
  timeline.draw();
  drawNow();
  if (event.type !== "segment" || !event.stable) return;
  drawResults();
  announce(t("summary.from.to", { answer: answer(event), confidence: percent(event.confidence), from: clock(event.start), to: clock(event.end) }));
}

function stopped() {
  drawRecord();
  if (chosen === live.recording) timeline.show(chosen);
  drawChosen();
}

function finished() {
  if (chosen === live.recording) timeline.show(chosen);
  drawChosen();
  announce(`${t("summary.done")} ${summed(live.recording)}`);
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

/** What is shown, heard again with the settings as they are now: the browser has kept the file. */
function hearAgain() {
  try {
    const fields = { ...settings.fields(), channel: settings.channel, reference: reference.id };
    complain("");
    player.pause();
    uploads.again(chosen, fields, settings);
  } catch (problem) {
    complain(problem.message);
  }
}

async function tryExample() {
  const response = await fetch(new URL("example.mp3", import.meta.url)).catch(() => null);
  if (!response?.ok) return complain(t("speech.example.missing"));
  take([new File([await response.blob()], "example.mp3", { type: "audio/mpeg" })]);
}

find("again").addEventListener("click", hearAgain);
find("example").addEventListener("click", tryExample);
uploads.addEventListener("refused", ({ detail }) => complain(detail));
uploads.addEventListener("changed", ({ detail: recording }) => {
  if (recording === chosen && recording.state !== "waiting") timeline.show(recording);
  if (recordings.includes(recording)) drawChosen();
  if (recording.state === "done") announce(`${recording.name}: ${summed(recording)}`);
  if (recording.state === "failed") announce(`${recording.name}: ${failure(recording.reason)}`);
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
async function sort(files) {
  // Which tabs there are is not known before the server has said it; sound needs no other.
  const isText = (file) => /\.(txt|srt|vtt|csv|tsv)$/i.test(file.name);
  if (beginning && files.some((file) => isText(file) || file.type.startsWith("image/"))) await beginning;
  const { tab } = find("main").dataset;
  const here = opened[tab] && tab !== "text" ? tab : "speech";
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

function showTab(name) {
  if (find("main").dataset.tab === name) return;
  opened[find("main").dataset.tab]?.leave();
  find("main").dataset.tab = name;
  for (const radio of document.getElementsByName("tab")) radio.checked = radio.value === name;
  say(find("source-title"), `tabs.${name}.title`);
  say(find("lead"), `tabs.${name}.lead`);
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
  timeline.place(segment.start);
  find("position").textContent = clock(segment.start);
  segments.mark(segment.start);
  drawNow();
  player.playSpan(segment.start, segment.end);
}

timeline.addEventListener("seek", ({ detail }) => {
  player.seek(detail);
  find("position").textContent = clock(detail);
  segments.mark(detail, { follow: true });
  drawNow();
});
timeline.addEventListener("segment", ({ detail }) => hear(detail));
player.addEventListener("time", () => {
  timeline.at(player.time);
  find("position").textContent = clock(player.time);
  segments.mark(player.time, { follow: true });
  drawNow();
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
  lane: (number) => {
    const name = timeline.choose(number);
    if (name !== undefined) announce(name === null ? t("lanes.all") : t("lanes.only", { name: whoever(name) }));
  },
  speed: (direction) => setSpeed(find("speed").selectedIndex + direction),
});
offerKeys({
  dialog: find("keys-dialog"),
  opener: find("keys-open"),
  box: find("keys-on"),
  acts: () => (find("main").dataset.tab === "speech" ? acts : opened[find("main").dataset.tab]?.acts),
});
rememberKeys(find("keys-on"));

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
  if (there) say(find("server-text"), "server.ready");
  else drawGone();
  if (before === false && there) {
    announce(t("server.back"));
    if (!settings.model) begin();
  }
}

function drawGone() {
  if (!live.busy) say(find("server-text"), "server.gone");
  else if (live.gone < 30) say(find("server-text"), "server.gone.resuming", { seconds: Math.ceil(30 - live.gone) });
  else say(find("server-text"), "server.gone.kept");
}

function watch() {
  look(live.busy && serverThere === false ? !live.gone : undefined);
  setTimeout(watch, serverThere ? 8000 : 1000);
}

const drawTheme = offerTheme(() => timeline.draw());
offerLanguage(() => {
  settings.redraw();
  segments.redraw();
  drawChosen();
  drawRecord();
  for (const tab of Object.values(opened)) tab.redraw?.();
});
askToken(api);

function begin() {
  beginning ??= ask().finally(() => (beginning = null));
}

async function ask() {
  // Before anything is awaited: what is said meanwhile must stay.
  complain("");
  try {
    const { notice, store, version, few } = await api.settings();
    setFew(few);
    if (notice && store) say(find("notice"), "said.notice.stored");
    find("notice").classList.toggle("stores", Boolean(store));
    find("consent-more").classList.toggle("stores", Boolean(store));
    if (store) say(find("consent-more"), "speech.consent.stored");
    if (store) say(find("video-consent-more"), "fusion.consent.stored");
    find("version").textContent = version ? `affekt ${version}` : "";
    await settings.load();
    await openModules(settings.models);
  } catch (problem) {
    complain(problem.message, begin);
  }
}

settings.addEventListener("changed", () => {
  drawNow();
  drawAgain();
});
find("problem-close").addEventListener("click", () => complain(""));
addEventListener("beforeunload", (event) => live.listening && event.preventDefault());
document.querySelector('[name="tab"][value="speech"]').checked = true;
find("consent").checked = false; // browsers restore boxes after a reload; consent is given anew
stick(find("view"), find("probabilities-track"));
drawTheme();
drawNow();
drawRecord();
watch();
begin();
