// Beside the page, so that it never stands still: opens models, runs them, and answers what app.js asks.

import { LIVE, Stream, summarise } from "./engine.js";
import * as ort from "./ort.js";
import { prepared, RATE, readWav } from "./sound.js";

/** Seconds fed between two reports of progress. */
const STEP = 5;
/** Seconds of sound that are handed over at once. */
const PIECE = 60;
/** Seconds of new speech between two looks at what is spoken now. */
const LOOK = 0.8;

const opened = {}; // by name: a promise of a model
let runtime = null;
let cards = null;
let live = null;
let last = Promise.resolve(); // everything is done one after the other
const cancelled = new Set();

self.onmessage = ({ data }) => {
  if (data.type === "cancel") cancelled.add(data.id);
  else if (data.type === "feed") hear(data);
  else last = last.then(() => WORK[data.type](data)).catch((problem) => postMessage({ id: data.id, type: "failed", reason: problem.message }));
};

const WORK = { open, analyse, listen, end };

/** Load a model, so that what comes needs not wait. */
async function open({ id, model }) {
  await Promise.all([load("activity"), load(model)]);
  postMessage({ id, type: "opened" });
}

/** A recording: the bytes of a WAV file, or a mono signal at a rate. */
async function analyse({ id, model, bytes, ...given }) {
  const began = performance.now();
  const sound = bytes ? readWav(bytes) : given;
  const signal = prepared(sound.signal, sound.rate);
  // For drawing and playing, in pieces: a second copy of the whole may be too much for a phone.
  for (let at = 0; at < signal.length; at += PIECE * RATE) {
    const piece = signal.slice(at, at + PIECE * RATE);
    postMessage({ id, type: "piece", piece, length: signal.length }, [piece.buffer]);
  }
  const prepare = performance.now();
  const setup = await models(model);
  const loading = performance.now() - prepare;
  const [stream, segments, hops] = [new Stream(setup), [], []];
  stream.onHop = (hop) => hops.push(hop);
  for (let at = 0; at < signal.length; at += STEP * RATE) {
    await breath();
    if (cancelled.delete(id)) throw new Error("Cancelled.");
    segments.push(...(await stream.feed(signal.subarray(at, at + STEP * RATE))));
    postMessage({ id, type: "progress", share: Math.min(1, (at + STEP * RATE) / signal.length) });
  }
  segments.push(...(await stream.flush()));
  const seconds = (performance.now() - began - loading) / 1000;
  postMessage({ id, type: "done", result: { ...result(stream, segments, setup.card), warnings: given.warnings ?? [] }, hops, seconds });
}

const channel = new MessageChannel();

/** Resolves once what was asked meanwhile has been looked at: running a network alone lets no message in. */
function breath() {
  return new Promise((done) => {
    channel.port1.onmessage = done;
    channel.port2.postMessage(null);
  });
}

function result(stream, segments, card) {
  return { model: card.name, labels: card.labels, duration: stream.position, segments, summary: summarise(segments, card), warnings: [] };
}

// --- the microphone ------------------------------------------------------------------------------

/** Begin a live stream; then come "feed" with pieces, and "end". */
async function listen({ id, model }) {
  const setup = await models(model).catch((problem) => {
    pieces.delete(id);
    throw problem;
  });
  const stream = new Stream(setup, LIVE);
  live = { id, stream, card: setup.card, segments: [], hops: [], looked: 0, spoken: null };
  stream.onHop = (hop) => live.hops.push(hop);
  stream.onRegion = ([start, end]) => {
    tell("speech_end", { start: start / RATE, end: end / RATE });
    live.spoken = null;
  };
  postMessage({ id, type: "listening" });
}

const pieces = new Map(); // by number: what came of a recording since the last work on it

function hear({ id, piece }) {
  if (!pieces.has(id)) pieces.set(id, []);
  pieces.get(id).push(piece);
  // What came meanwhile is worked on at once.
  last = last.then(() => live?.id === id && pieces.get(id)?.length && step()).catch((problem) => postMessage({ id, type: "failed", reason: problem.message }));
}

async function step() {
  const { id, stream } = live;
  settle(await stream.feed(joined(pieces.get(id).splice(0))));
  await breath();
  const { growing } = stream;
  if (!growing) return;
  if (live.spoken === null) {
    [live.spoken, live.looked] = [growing[0], growing[0]];
    tell("speech_start", { start: growing[0] });
  }
  // A machine that lags behind looks less often.
  if (pieces.get(id).length > 5 || growing[1] < live.looked + LOOK) return;
  const window = await stream.glance();
  if (window) tell("partial", { ...window, start: live.looked, end: growing[1] });
  live.looked = growing[1];
}

async function end({ id }) {
  if (live?.id !== id) return; // it could not begin, which was said
  if (pieces.get(id)?.length) await step();
  pieces.delete(id);
  const { stream, segments, hops, card } = live;
  settle(await stream.flush());
  live = null;
  postMessage({ id, type: "done", result: result(stream, segments, card), hops });
}

function settle(found) {
  live.segments.push(...found);
  for (const segment of found) tell("segment", { ...segment, stable: true });
}

function tell(type, fields) {
  postMessage({ id: live.id, type: "event", event: { type, time: live.stream.position, ...fields } });
}

function joined(pieces) {
  const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  return all;
}

// --- the models ----------------------------------------------------------------------------------

async function models(name) {
  const [activity, voice] = [await load("activity"), await load(name)];
  return { card: voice.card, activity: scores(activity), network: windowLogits(voice) };
}

/** ActivityModel of speech/waveform.py: the probability of speech in every 20 ms. */
const scores = ({ session }) => async (signal) => (await session.run({ signal: tensor(signal, 1) })).speech.data;

/** VoiceModel of speech/waveform.py, without a speaker baseline: the logits of every window. */
function windowLogits({ session, card }) {
  return async (signal) => {
    const given = { signal: tensor(signal, 1) };
    // The second input is named by whoever wrote the file; zeros say that nothing is known of the speaker.
    if (card.baseline) given[session.inputNames[1]] = tensor(new Float32Array(1 + card.baseline), 1);
    const { data, dims } = (await session.run(given)).window_logits;
    return Array.from({ length: dims[1] }, (_, w) => data.slice(w * dims[2], (w + 1) * dims[2]));
  };
}

const tensor = (values, rows) => new ort.Tensor("float32", values, [rows, values.length / rows]);

function load(name) {
  // What failed is tried again the next time.
  opened[name] ??= loaded(name).catch((problem) => {
    delete opened[name];
    throw problem;
  });
  return opened[name];
}

async function loaded(name) {
  runtime ??= await start();
  cards ??= await (await fetched("models.json")).json();
  const bytes = new Uint8Array(await (await fetched(`${name}.onnx`)).arrayBuffer());
  return { card: cards[name], session: await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] }) };
}

async function start() {
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  ort.env.wasm.wasmBinary = await unzipped(await (await fetched("ort.wasm.gz")).arrayBuffer());
  return ort;
}

/** The runtime comes zipped, a third of its size; some servers unzip what ends in .gz themselves. */
async function unzipped(buffer) {
  const [first, second] = new Uint8Array(buffer, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return buffer;
  return new Response(new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function fetched(name) {
  const answer = await fetch(new URL(name, import.meta.url)).catch(() => null);
  if (!answer?.ok) throw new Error(`The file ${name} could not be loaded${navigator.onLine ? "" : ", and there is no network"}. Once it was, it is kept: connect, and try again.`);
  return answer;
}
