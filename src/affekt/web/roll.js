// A session: its window, the camera with boxes and names, the rows, corrections, files.

import { outline, plate } from "./boxes.js";
import { paper } from "./canvas.js";
import { save } from "./download.js";
import { ask, button, element, name } from "./elements.js";
import { Film } from "./film.js";
import { FrameStream } from "./frames.js";

const find = (id) => document.getElementById(id);
const FORMATS = { csv: "CSV", xlsx: "Excel (XLSX)", json: "JSON", html: "To print (HTML)" };
/** Colours that can be told apart with any colour vision; unknown faces are dashed besides. */
const [KNOWN, UNKNOWN] = ["#0072b2", "#e69f00"];
/** Milliseconds between two looks at the rows while the camera is on. */
const REFRESH = 5000;

export class RollView {
  #roster = "";
  #shown = null;
  #stream = null;
  #faces = [];
  #timer = 0;

  constructor(page) {
    this.page = page;
    this.film = new Film(find("video"), { side: 960, quality: 0.8 });
    this.film.addEventListener("gone", () => this.#stop("The camera is gone: unplugged, or taken by another program."));
    find("zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "Europe/Berlin";
    find("session-form").addEventListener("submit", (event) => {
      event.preventDefault();
      page.trying(() => this.#begin());
    });
    find("sessions").addEventListener("change", () => page.trying(() => this.#choose(find("sessions").value)));
    find("camera").addEventListener("click", () => page.trying(() => (this.film.on ? this.#stop() : this.#start())));
    find("end").addEventListener("click", () => page.trying(() => this.#end()));
    for (const [format, words] of Object.entries(FORMATS)) {
      const made = button(words, () => page.trying(async () => save(await page.api.attendanceFile(this.#shown.id, format), `attendance.${format}`)));
      made.dataset.format = format;
      find("export").append(made);
    }
    new ResizeObserver(() => this.#drawFaces()).observe(find("stage"));
  }

  offer(statuses) {
    find("correct-status").replaceChildren(...statuses.map((status) => new Option(status, status)));
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
    const options = sessions.map(({ id, window, running }) => new Option(`${window}${running ? " (running)" : ""}`, id));
    find("sessions").replaceChildren(...(options.length ? options : [new Option("none yet", "")]));
    find("sessions").disabled = !options.length;
    const id = wanted ?? sessions[0]?.id ?? null;
    if (id) find("sessions").value = id;
    await this.#choose(id);
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
    this.page.complain(made.notes.join(" "));
  }

  async #end() {
    this.#stop();
    await this.page.api.attendance(`/sessions/${this.#shown.id}/close`, { method: "POST" });
    await this.#list(this.#shown.id);
    this.page.announce("The session is over; everybody has a row.");
  }

  // --- the camera ---

  async #start() {
    await this.draw();
    const { opens, now, window, id } = this.#shown;
    if (now < opens) throw new Error(`The window is ${window}; the camera stays off until it opens.`);
    if (!(await this.film.open())) return;
    const stream = new FrameStream(() => this.page.api.stream("v1/attendance/watch"), { session: id, camera: "page" });
    this.#stream = stream;
    stream.addEventListener("event", ({ detail }) => stream === this.#stream && this.#event(detail));
    stream.addEventListener("answered", () => this.#pump(stream));
    stream.addEventListener("ready", () => this.#pump(stream));
    stream.addEventListener("gone", () => this.#said("The server is gone; trying again."));
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
      this.#said([...known, others ? `${others} not known` : ""].filter(Boolean).join(", ") || "Nobody is seen.");
      this.#drawFaces();
    } else if (event.type === "marked") {
      this.page.announce(`${event.name} is marked.`);
      this.draw().catch(() => {});
    } else if (event.type === "closed") {
      this.#stream.cancel();
      this.#stop("The window is over: the session is closed.");
      this.page.trying(() => this.#list(event.session));
    } else if (event.type === "waiting" || event.type === "written") this.page.complain(event.reason);
    else if (event.type === "frame_error") this.#said(event.reason);
  }

  #said(words) {
    find("in-view").textContent = words;
  }

  // --- what is shown ---

  #take(session) {
    this.#shown = session;
    const { running, remarks, rows } = session;
    find("session-state").textContent = remarks.join("; ") || (running ? "running" : "closed");
    [find("camera").hidden, find("end").hidden] = [!running, !running];
    find("rows").replaceChildren(...rows.map((row) => this.#row(row)));
  }

  #row(row) {
    const last = row.corrections.at(-1);
    return element(
      "tr",
      { data: { person: row.person } },
      element("th", { scope: "row" }, name(row.name)),
      element("td", { className: "status", data: { status: row.status } }, row.status),
      element("td", { className: "time" }, row.first_clock || "–"),
      element("td", { className: "time" }, row.last_clock || "–"),
      element("td", {}, String(row.times)),
      element("td", { className: "corrected" }, last ? `${last.before} to ${last.after}, ${last.by}: ${last.reason}` : ""),
      element("td", {}, element("div", { className: "buttons" }, button("Correct", () => this.#correct(row), { about: row.name }))),
    );
  }

  async #correct(row) {
    find("correct-form").reset();
    find("correct-title").textContent = `Correct ${row.name}`;
    find("correct-now").textContent = `Now: ${row.status}. What it says now stays on record.`;
    find("correct-past").replaceChildren(...row.corrections.map((c) => element("li", {}, `${c.at.slice(0, 16).replace("T", " ")} UTC: ${c.before} to ${c.after}, ${c.by}: ${c.reason}`)));
    const made = await ask(find("correct-dialog"), () =>
      this.page.api.attendance(`/sessions/${this.#shown.id}/corrections`, {
        method: "POST",
        body: { person: row.person, status: find("correct-status").value, reason: find("correct-reason").value, by: find("correct-by").value },
      }),
    );
    if (!made) return;
    this.#take(made);
    this.page.announce(`${row.name}: corrected.`);
  }

  #drawCamera() {
    find("camera-text").textContent = this.film.on ? "Stop camera" : "Start camera";
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
      plate(context, { x, y, words: who ?? (reason || "looking"), colour, font }, { width });
    }
  }
}
