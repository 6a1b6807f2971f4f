// A session: its window, the camera with boxes and names, the rows, corrections, files.

import { outline, plate } from "./boxes.js";
import { paper } from "./canvas.js";
import { save } from "./download.js";
import { ask, button, element, name } from "./elements.js";
import { Film } from "./film.js";
import { FrameStream } from "./frames.js";
import { translated, windowed } from "./said.js";
import { say, t } from "./strings.js";

const find = (id) => document.getElementById(id);
const FORMATS = { csv: "CSV", xlsx: "Excel (XLSX)", json: "JSON", html: null };
/** Colours that can be told apart with any colour vision; unknown faces are dashed besides. */
const [KNOWN, UNKNOWN] = ["#0072b2", "#e69f00"];
/** Milliseconds between two looks at the rows while the camera is on. */
const REFRESH = 5000;

export class RollView {
  #roster = "";
  #shown = null;
  #statuses = [];
  #sessions = [];
  #stream = null;
  #faces = [];
  #timer = 0;

  constructor(page) {
    this.page = page;
    this.film = new Film(find("video"), { side: 960, quality: 0.8 });
    this.film.addEventListener("gone", () => this.#stop(t("camera.gone")));
    find("zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "Europe/Berlin";
    find("session-form").addEventListener("submit", (event) => {
      event.preventDefault();
      page.trying(() => this.#begin());
    });
    find("sessions").addEventListener("change", () => page.trying(() => this.#choose(find("sessions").value)));
    find("camera").addEventListener("click", () => page.trying(() => (this.film.on ? this.#stop() : this.#start())));
    find("end").addEventListener("click", () => page.trying(() => this.#end()));
    for (const [format, words] of Object.entries(FORMATS)) {
      const made = button(words ?? "", () => page.trying(async () => save(await page.api.attendanceFile(this.#shown.id, format), `attendance.${format}`)));
      made.dataset.format = format;
      if (!words) say(made, "attendance.print");
      find("export").append(made);
    }
    new ResizeObserver(() => this.#drawFaces()).observe(find("stage"));
  }

  offer(statuses) {
    this.#statuses = statuses;
    find("correct-status").replaceChildren(...statuses.map((status) => new Option(translated(status), status)));
  }

  /** What is known, in the language of the page. */
  redraw() {
    this.offer(this.#statuses);
    this.#drawSessions();
    if (this.#shown) this.#take(this.#shown);
    this.#drawCamera();
  }

  async show(roster) {
    this.#stop();
    this.#roster = roster;
    await this.#list(null);
  }

  /** Look at the rows again. */
  async draw() {
    if (this.#shown) this.#take(await this.page.api.attendance(`/sessions/${this.#shown.id}`));
  }

  async #list(wanted) {
    const { sessions } = await this.page.api.attendance(`/sessions?${new URLSearchParams({ roster: this.#roster })}`);
    this.#sessions = sessions;
    this.#drawSessions();
    const id = wanted ?? sessions[0]?.id ?? null;
    if (id) find("sessions").value = id;
    await this.#choose(id);
  }

  #drawSessions() {
    const chosen = find("sessions").value;
    const named = ({ window, running }) => (running ? t("attendance.sessions.running", { window: windowed(window) }) : windowed(window));
    const options = this.#sessions.map((session) => new Option(named(session), session.id));
    find("sessions").replaceChildren(...(options.length ? options : [new Option(t("attendance.sessions.none"), "")]));
    find("sessions").disabled = !options.length;
    if (this.#sessions.some(({ id }) => id === chosen)) find("sessions").value = chosen;
  }

  async #choose(id) {
    if (id !== this.#shown?.id) {
      this.#stop();
      // Its buttons are there once it is: one pressed before would do nothing.
      find("session").hidden = true;
      this.#shown = null;
    }
    if (!id) return;
    this.#take(await this.page.api.attendance(`/sessions/${id}`));
    find("session").hidden = false;
  }

  async #begin() {
    const body = { roster: this.#roster, start: find("from").value, end: find("to").value, zone: find("zone").value, late_after: `${find("late").valueAsNumber || 0.001}min` };
    const made = await this.page.api.attendance("/sessions", { method: "POST", body });
    await this.#list(made.id);
    this.page.complain(made.notes.map(translated).join(" "));
  }

  async #end() {
    this.#stop();
    await this.page.api.attendance(`/sessions/${this.#shown.id}/close`, { method: "POST" });
    await this.#list(this.#shown.id);
    this.page.announce(t("attendance.over"));
  }

  // --- the camera ---

  async #start() {
    await this.draw();
    const { opens, now, window, id } = this.#shown;
    if (now < opens) throw new Error(t("attendance.stays.off", { window: windowed(window) }));
    if (!(await this.film.open())) return;
    const stream = new FrameStream(() => this.page.api.stream("v1/attendance/watch"), { session: id, camera: "page" });
    this.#stream = stream;
    stream.addEventListener("event", ({ detail }) => stream === this.#stream && this.#event(detail));
    stream.addEventListener("answered", () => this.#pump(stream));
    stream.addEventListener("ready", () => this.#pump(stream));
    stream.addEventListener("gone", () => this.#said(t("attendance.server.gone")));
    stream.addEventListener("failed", ({ detail }) => stream === this.#stream && this.#stop(detail));
    stream.open();
    this.film.watch(() => this.#pump(stream));
    this.#timer = setInterval(() => this.draw().catch(() => {}), REFRESH);
    this.#drawCamera();
  }

  #stop(words = "") {
    clearInterval(this.#timer);
    const stream = this.#stream;
    [this.#stream, this.#faces] = [null, []];
    stream?.end();
    this.film.close();
    this.#drawCamera();
    this.#said("");
    if (words) this.page.complain(words);
  }

  /** Send the newest picture, if the last one was answered. */
  async #pump(stream) {
    if (stream !== this.#stream || !stream.free || !this.film.on || !find("video").videoWidth) return;
    stream.hold(performance.now());
    stream.send(await this.film.take(), performance.now() / 1000);
  }

  #event(event) {
    if (event.type === "frame") {
      this.#faces = event.faces;
      const known = event.faces.filter((face) => face.name).map((face) => face.name);
      const others = event.faces.length - known.length;
      this.#said([...known, others ? t("attendance.unknown", { n: others }) : ""].filter(Boolean).join(", ") || t("attendance.nobody"));
      this.#drawFaces();
    } else if (event.type === "marked") {
      this.page.announce(t("attendance.marked", { name: event.name }));
      this.draw().catch(() => {});
    } else if (event.type === "closed") {
      this.#stream.cancel();
      this.#stop(t("attendance.closed"));
      this.page.trying(() => this.#list(event.session));
    } else if (event.type === "waiting" || event.type === "written") this.page.complain(translated(event.reason));
    else if (event.type === "frame_error") this.#said(translated(event.reason));
  }

  #said(words) {
    find("in-view").textContent = words;
  }

  // --- what is shown ---

  #take(session) {
    this.#shown = session;
    const { running, remarks, rows } = session;
    find("session-state").textContent = remarks.map(translated).join("; ") || t(running ? "attendance.running" : "attendance.not.running");
    [find("camera").hidden, find("end").hidden] = [!running, !running];
    find("rows").replaceChildren(...rows.map((row) => this.#row(row)));
  }

  #row(row) {
    const last = row.corrections.at(-1);
    return element(
      "tr",
      { data: { person: row.person } },
      element("th", { scope: "row" }, name(row.name)),
      element("td", { className: "status", data: { status: row.status } }, translated(row.status)),
      element("td", { className: "time" }, row.first_clock || "–"),
      element("td", { className: "time" }, row.last_clock || "–"),
      element("td", {}, String(row.times)),
      element("td", { className: "corrected" }, last ? corrected(last) : ""),
      element("td", {}, element("div", { className: "buttons" }, button(t("attendance.correct"), () => this.#correct(row), { about: row.name }))),
    );
  }

  async #correct(row) {
    find("correct-form").reset();
    say(find("correct-title"), "attendance.correct.who", { name: row.name });
    say(find("correct-now"), "attendance.correct.now", { status: translated(row.status) });
    find("correct-past").replaceChildren(...row.corrections.map((c) => element("li", {}, `${c.at.slice(0, 16).replace("T", " ")} UTC: ${corrected(c)}`)));
    const made = await ask(find("correct-dialog"), () =>
      this.page.api.attendance(`/sessions/${this.#shown.id}/corrections`, {
        method: "POST",
        body: { person: row.person, status: find("correct-status").value, reason: find("correct-reason").value, by: find("correct-by").value },
      }),
    );
    if (!made) return;
    this.#take(made);
    this.page.announce(t("attendance.correct.done", { name: row.name }));
  }

  #drawCamera() {
    say(find("camera-text"), this.film.on ? "attendance.camera.stop" : "attendance.camera.start");
    find("camera").classList.toggle("on", this.film.on);
    find("stage").hidden = !this.film.on;
  }

  #drawFaces() {
    const canvas = find("canvas");
    const sheet = paper(canvas);
    if (!sheet) return;
    const { context, width, height } = sheet;
    const font = `600 14px ${getComputedStyle(canvas).fontFamily}`;
    for (const { box, name: who, reason } of this.#faces) {
      const [x, y, w, h] = [box[0] * width, box[1] * height, box[2] * width, box[3] * height];
      const colour = who ? KNOWN : UNKNOWN;
      outline(context, { x, y, w, h }, { colour, dashed: !who, strong: Boolean(who) });
      plate(context, { x, y, words: who ?? (translated(reason) || t("attendance.looking")), colour, font }, { width });
    }
  }
}

/** A correction in a line. */
const corrected = ({ before, after, by, reason }) => t("attendance.correction", { before: translated(before), after: translated(after), by, reason });
