// Texts: sentences that are written here or come in files, what each says, and which words that rests on.

import { Bars } from "./bars.js";
import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { download, offerDownloads } from "./download.js";
import { element } from "./elements.js";
import { drawRecordings } from "./list.js";
import { Recording } from "./recording.js";
import { setName } from "./settings.js";
import { translated } from "./said.js";
import { say, t, write } from "./strings.js";
import { Uploads } from "./uploads.js";
import { answer, best, capital, clock, failure, labelled, percent, strength, tintChip } from "./words.js";

const SETS = ["goemotions", "four", "ekman", "valence"];
/** Sentences that are shown of one text; files hold them all. */
const MOST = 500;

const find = (id) => document.getElementById(`text-${id}`);

/** One text: what became of it, and why its words have no weights, where they have none. */
class Reading extends Recording {
  nothing = "answer.none.words";
  unweighed = "";

  /** What was written here; of a file nothing. */
  words = "";

  /** There is no sound to draw. */
  async decode() {}

  take(result) {
    super.take(result);
    this.unweighed = result.unweighed ?? "";
  }
}

/** The server with which `Uploads` talks: words are weighed where it allows it. */
const weighing = (api) => ({
  predict: (file, fields, signal) => weighed((more) => api.predict(file, { ...fields, ...more }, signal)),
});

/** Ask with words weighed; where the text is too long for that, without, and say so. */
async function weighed(ask) {
  try {
    return await ask({ explain: "yes" });
  } catch (problem) {
    if (problem.status !== 422 || !problem.message.startsWith("explain")) throw problem;
    const found = await ask({});
    found.results[0].unweighed = problem.message;
    return found;
  }
}

/** The tab: `page` has api, complain(words) and announce(words); `models` are those of text. */
export class Texts {
  #all = [];
  #shown = null;
  #chosen = null; // the sentence in "Now"
  #written = 0;

  constructor(page, models) {
    this.page = page;
    this.models = models;
    this.uploads = new Uploads(weighing(page.api), Reading);
    this.bars = new Bars(find("bars"));
    this.#listen();
    this.ready = this.#offer();
  }

  /** Files to read. */
  take(files) {
    if (!files.length) return;
    const added = this.uploads.add([...files], { modality: "text", ...this.#fields }, { lost: false });
    this.#all = [...added, ...this.#all];
    this.page.complain("");
    this.#choose(added[0]);
  }

  /** Everything anew: the language changed. */
  async redraw() {
    await this.#chooseModel();
    this.#draw();
  }

  /** Nothing goes on here that another tab would have to end. */
  leave() {}

  get #model() {
    return this.models.find(({ name }) => name === find("model").value) ?? this.models[0];
  }

  get #fields() {
    return Object.fromEntries(Object.entries({ model: this.#model.name, labels: find("labels").value }).filter(([, value]) => value));
  }

  #listen() {
    find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#judge();
    });
    find("words").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("form").requestSubmit();
    });
    this.uploads.addEventListener("changed", ({ detail }) => {
      if (detail === this.#shown) this.#choose(detail);
      else this.#drawList();
      if (detail.state === "failed") this.page.announce(`${detail.name}: ${failure(detail.reason)}`);
    });
    find("files").addEventListener("change", ({ target }) => {
      this.take(target.files);
      target.value = "";
    });
    find("model").addEventListener("change", async () => {
      await this.#chooseModel();
      this.#readAgain();
    });
    find("labels").addEventListener("change", () => this.#readAgain());
    this.uploads.addEventListener("refused", ({ detail }) => this.page.complain(detail));
    offerDownloads(find("downloads"), (format) => download(this.page.api, [this.#shown], format).catch((p) => this.page.complain(p.message)), { sound: false });
  }

  async #offer() {
    find("model").replaceChildren(...this.models.map(({ name }) => new Option(name, name)));
    await this.#chooseModel();
    this.#draw();
  }

  async #chooseModel() {
    const { labels = [], maps = [] } = await this.page.api.labels(this.#model.name);
    const kept = find("labels").value;
    find("labels").replaceChildren(new Option(t("settings.labels.all", { n: labels.length }), ""), ...maps.filter((name) => SETS.includes(name)).map((name) => new Option(setName(name), name)));
    if (maps.includes(kept) && SETS.includes(kept)) find("labels").value = kept;
    find("card-body").replaceChildren(...cardParts(this.#model));
  }

  async #judge() {
    const words = find("words").value;
    if (!words.trim()) {
      this.page.complain(t("text.nothing.written"));
      find("words").focus();
      return;
    }
    const reading = new Reading(t("text.name", { number: ++this.#written }));
    reading.words = words;
    this.#all = [reading, ...this.#all];
    find("ask").disabled = true;
    await this.#ask(reading);
    find("ask").disabled = false;
  }

  /** Ask what written words say. */
  async #ask(reading) {
    this.page.complain("");
    reading.state = "running";
    this.#choose(reading);
    try {
      const { results } = await weighed((more) => this.page.api.judge(reading.words, { ...this.#fields, ...more }));
      reading.take(results[0]);
      this.page.announce(summed(reading));
    } catch (problem) {
      Object.assign(reading, { state: "failed", reason: problem.message });
      this.page.complain(problem.message);
    }
    if (reading === this.#shown) this.#choose(reading);
  }

  /** The text that is shown is read again with the settings as they are now. */
  #readAgain() {
    const reading = this.#shown;
    if (reading?.state !== "done") return;
    if (reading.words) this.#ask(reading);
    else this.uploads.again(reading, { modality: "text", ...this.#fields }, { lost: false });
  }

  #choose(reading) {
    [this.#shown, this.#chosen] = [reading, reading.segments?.length === 1 ? reading.segments[0] : null];
    this.#draw();
  }

  #draw() {
    const reading = this.#shown;
    this.#drawList();
    const isDone = reading?.state === "done";
    find("empty").hidden = isDone && reading.segments.length > 0;
    if (reading) say(find("empty"), isDone ? "text.none" : reading.state === "failed" ? "text.unreadable" : "now.working");
    find("summary").textContent = isDone ? summed(reading) : "";
    const remarks = [...(reading?.warnings ?? []), ...(reading?.unweighed ? [t("text.unweighed", { reason: translated(reading.unweighed) })] : [])];
    if (reading?.segments.length > MOST) remarks.push(t("text.first", { most: MOST, n: reading.segments.length }));
    find("warnings").hidden = !remarks.length;
    find("warnings").replaceChildren(...remarks.map((words) => element("li", {}, translated(words))));
    find("sentences").replaceChildren(...(reading?.segments ?? []).slice(0, MOST).map((segment) => this.#sentence(segment)));
    const note = reading?.segments.find((segment) => segment.explanation)?.explanation.note;
    find("legend").hidden = !note;
    find("legend").textContent = note ? `${t("text.legend")} ${translated(note)}` : "";
    find("saving").hidden = !isDone;
    this.#drawNow();
  }

  #drawList() {
    const acts = { choose: (r) => this.#choose(r), retry: (r) => this.uploads.retry(r), cancel: (r) => this.uploads.cancel(r) };
    drawRecordings(find("recordings-list"), this.#all, { chosen: this.#shown, acts });
    find("recordings").hidden = this.#all.length < 2 && this.#shown?.state !== "failed";
  }

  #sentence(segment) {
    const { palette, duration } = this.#shown;
    const chip = element("span", { className: "chip" });
    tintChip(chip, segment, palette);
    const guess = !segment.label && best(segment) ? `${t("answer.perhaps", { label: labelled(best(segment), { within: true }) })}, ` : "";
    const sure = best(segment) ? `${guess}${percent(segment.confidence)} · ${strength(segment.confidence)}` : "";
    const who = segment.who ? `${segment.who}: ` : "";
    const row = element(
      "button",
      { type: "button", className: "segment sentence" },
      chip,
      element("span", { className: "segment-label" }, `${who}${answer(segment, t("answer.none"))}`),
      element("span", { className: "segment-sure" }, sure),
      element("span", { className: "segment-time" }, duration ? `${clock(segment.start)} – ${clock(segment.end)}` : ""),
      element("span", { className: "sentence-words" }, ...highlighted(segment)),
      segment.reason ? element("span", { className: "segment-why" }, translated(segment.reason)) : null,
    );
    row.setAttribute("aria-current", String(segment === this.#chosen));
    row.addEventListener("click", () => {
      this.#chosen = segment === this.#chosen ? null : segment;
      this.#drawNow();
      [...find("sentences").children].forEach(({ firstChild }, i) => firstChild.setAttribute("aria-current", String(this.#shown.segments[i] === this.#chosen)));
    });
    return element("li", {}, row);
  }

  #drawNow() {
    const reading = this.#shown;
    const told = this.#chosen ?? (reading?.state === "done" ? reading.summary : null);
    const palette = reading?.labels.length ? reading.palette : colours(this.#model.labels);
    this.bars.name(palette);
    this.bars.show(told?.scores ?? {}, { faded: !told });
    say(find("now-title"), this.#chosen ? "text.this" : "now.all");
    write(find("heard"), told ? answer(told, t("answer.none.words")) : t(reading?.state === "running" || reading?.state === "waiting" ? "now.working" : "now.nothing"));
    tintChip(find("heard-chip"), told, palette);
    find("heard-confidence").textContent = best(told) ? percent(told.confidence) : "";
    const rests = translated(this.#chosen?.explanation?.text ?? "");
    find("heard-why").textContent = capital([told?.reason ? `${translated(told.reason)}.` : "", rests].filter(Boolean).join(" "));
  }
}

/** The words of a sentence, those marked that weigh something; places are counted in characters, not in UTF-16. */
function highlighted({ text = "", explanation }) {
  const letters = [...text];
  const words = explanation?.words ?? [];
  const most = Math.max(...words.map(([, , weight]) => Math.abs(weight)), 0);
  if (most < 0.01) return [text];
  const parts = [];
  let reached = 0;
  for (const [start, end, weight] of words) {
    const share = weight / most;
    if (Math.abs(share) < 0.1) continue;
    const mark = element("mark", { className: share < 0 ? "against" : "", title: `${weight > 0 ? "+" : ""}${weight} nats` }, letters.slice(start, end).join(""));
    mark.style.setProperty("--weight", share.toFixed(3));
    parts.push(letters.slice(reached, start).join(""), mark);
    reached = end;
  }
  return [...parts, letters.slice(reached).join("")];
}

function summed({ summary, segments }) {
  if (!best(summary)) return t("text.none.found");
  const values = { n: segments.length, answer: answer(summary, undefined, { within: true }), confidence: percent(summary.confidence) };
  return t(segments.length === 1 ? "text.one" : "text.many", values);
}

/** What main.js opens the tab with. */
export const open = (page, models) => new Texts(page, models);
