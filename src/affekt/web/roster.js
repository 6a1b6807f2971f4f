// The roster: who is on it, what they consented to, their faces, and their rights.

import { save } from "./download.js";
import { ask, button, element, name } from "./elements.js";
import { Film } from "./film.js";
import { translated } from "./said.js";
import { failure } from "./words.js";
import { say, t } from "./strings.js";

const find = (id) => document.getElementById(id);
const share = ({ value, low, high }) => `${(100 * value).toFixed(1)} % [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
const photos = ({ photos: n }) => (n ? t(n > 1 ? "attendance.photos.many" : "attendance.photos.one", { n }) : "");

/** "changed" when somebody came, went, or got a face. */
export class RosterView extends EventTarget {
  #roster = "";
  #receipt = null;
  #known = null; // what the server said of the roster last

  constructor(page) {
    super();
    this.page = page;
    this.film = new Film(find("enrol-video"), { side: 1280, quality: 0.92 });
    find("consent-new").addEventListener("click", () => this.#consent());
    find("add-new").addEventListener("click", () => this.#add());
    find("receipt-close").addEventListener("click", () => (find("receipt").hidden = true));
    find("receipt-save").addEventListener("click", () => saveJson(this.#receipt, "receipt.json"));
    find("enrol-dialog").addEventListener("close", () => this.film.close());
  }

  async show(roster) {
    this.#roster = roster;
    find("receipt").hidden = true;
    await this.draw();
  }

  async draw() {
    this.#known = await this.page.api.attendance(`/people?${this.#query}`);
    this.redraw();
  }

  /** The roster as it was asked last, in the language of the page. */
  redraw() {
    if (!this.#known) return;
    const { people, gallery } = this.#known;
    const enrolled = people.filter((person) => person.photos).length;
    find("roster-summary").textContent = people.length ? t("attendance.roster.summary", { n: people.length, faces: enrolled }) : "";
    find("roster-empty").hidden = people.length > 0;
    find("people").replaceChildren(...people.map((person) => this.#row(person)));
    find("gallery").replaceChildren(...(gallery ? sentences(gallery) : []).map((words) => element("li", {}, words)));
    this.people = people;
  }

  get #query() {
    return new URLSearchParams({ roster: this.#roster });
  }

  #row(person) {
    const { consent } = person;
    const about = t("attendance.of", { name: person.name });
    const acts = consent
      ? [button(t("attendance.enrol.camera"), () => this.#enrol(person), { about }), this.#photos(person), button(t("attendance.take.back"), () => this.#withdraw(person), { className: "quiet", about: t("attendance.take.back.about", { name: person.name }) })]
      : [button(t("attendance.consent.record"), () => this.#consent(person), { about })];
    acts.push(button(t("attendance.data"), () => this.#data(person), { className: "quiet", about }), button(t("attendance.forget"), () => this.#forget(person), { className: "quiet", about: person.name }));
    return element(
      "tr",
      { data: { person: person.id } },
      element("th", { scope: "row" }, name(person.name), person.minor ? element("span", { className: "muted small" }, ` ${t("attendance.minor")}`) : null),
      element("td", {}, consent ? said(consent) : t("attendance.by.hand")),
      element("td", { className: "time" }, photos(person) || t("attendance.none")),
      element("td", { className: "time" }, person.keep_until ? person.keep_until.slice(0, 10) : "–"),
      element("td", {}, element("div", { className: "buttons" }, ...acts)),
    );
  }

  #photos(person) {
    const input = element("input", { type: "file", accept: "image/*", multiple: true });
    input.setAttribute("aria-label", t("attendance.photos.of", { name: person.name }));
    input.addEventListener("change", () => this.page.trying(() => this.#send(person, [...input.files])));
    return element("label", { className: "button" }, t("attendance.photos"), input);
  }

  // --- consent ---

  async #consent(person = null) {
    find("consent-form").reset();
    find("consent-name").value = person?.name ?? "";
    find("consent-name").readOnly = Boolean(person);
    const made = await ask(find("consent-dialog"), () =>
      this.page.api.attendance("/consents", {
        method: "POST",
        body: {
          roster: this.#roster, name: find("consent-name").value, given_by: find("consent-by").value, notice: find("consent-notice").value,
          given_on: find("consent-on").value || null, guardian: find("consent-guardian").checked, recorded_by: find("consent-recorded").value,
        },
      }),
    );
    if (made) await this.#changed(t("attendance.said.consent", { name: made.name }));
  }

  async #add() {
    find("add-form").reset();
    const made = await ask(find("add-dialog"), () => this.page.api.attendance("/people", { method: "POST", body: { roster: this.#roster, name: find("add-name").value } }));
    if (made) await this.#changed(t("attendance.said.added", { name: made.name }));
  }

  #withdraw(person) {
    return this.#delete(person, `/consent`, {
      title: t("attendance.withdraw.title"),
      text: t("attendance.withdraw", { name: person.name }),
    });
  }

  #forget(person) {
    return this.#delete(person, "", { title: t("attendance.forget.title"), text: t("attendance.forget.text", { name: person.name }) });
  }

  async #delete(person, path, { title, text }) {
    find("sure-title").textContent = title;
    find("sure-text").textContent = text;
    const receipt = await ask(find("sure-dialog"), () => this.page.api.attendance(`/people/${person.id}${path}?${this.#query}`, { method: "DELETE" }));
    if (!receipt) return;
    this.#receipt = receipt;
    const deleted = Object.entries(receipt.removed).filter(([, count]) => count).map(([table, count]) => t("attendance.receipt.part", { n: count, table }));
    const lines = [t("attendance.receipt.deleted", { name: receipt.name, parts: deleted.join(", ") || t("attendance.receipt.nothing") }), ...receipt.verified.map((line) => t("attendance.receipt.verified", { what: translated(line) })), ...receipt.remains.map((line) => t("attendance.receipt.remains", { what: translated(line) }))];
    find("receipt-text").textContent = lines.join("\n");
    find("receipt").hidden = false;
    await this.#changed("");
  }

  #data(person) {
    return this.page.trying(async () => saveJson(await this.page.api.attendance(`/people/${person.id}?${this.#query}`), "person.json"));
  }

  // --- faces ---

  async #enrol(person) {
    const taken = [];
    const [agree, take, send, count] = ["enrol-agree", "enrol-take", "enrol-send", "enrol-count"].map(find);
    find("enrol-form").reset();
    say(find("enrol-title"), "attendance.enrol.who", { name: person.name });
    find("enrol-consent").textContent = t("attendance.enrol.consent", { consent: said(person.consent) });
    find("enrol-agree-text").textContent = t("attendance.enrol.agree", { name: person.name });
    say(count, "attendance.take.three");
    [take.disabled, send.disabled] = [true, true];
    agree.onchange = () => this.#light(agree, take);
    take.onclick = async () => {
      taken.push(await this.film.take());
      say(count, taken.length < 3 ? "attendance.taken.few" : "attendance.taken", { n: taken.length });
      [send.disabled, take.disabled] = [false, taken.length >= this.page.photos];
    };
    const made = await ask(find("enrol-dialog"), () => this.#upload(person, taken.map((jpeg, i) => new File([jpeg], t("attendance.picture", { n: i + 1 }))), find("enrol-similar").checked));
    if (made) await this.#enrolled(made);
  }

  /** The camera is on as long as the switch is. */
  async #light(agree, take) {
    if (!agree.checked) {
      take.disabled = true;
      return this.film.close();
    }
    try {
      take.disabled = !(await this.film.open());
    } catch (problem) {
      agree.checked = false;
      find("enrol-form").querySelector(".wrong").textContent = failure(problem.message);
    }
  }

  async #send(person, files) {
    if (files.length) await this.#enrolled(await this.#upload(person, files, false));
  }

  #upload(person, files, similar) {
    const body = new FormData();
    for (const file of files) body.append("files", file, file.name);
    body.append("although_similar", similar ? "yes" : "no");
    return this.page.api.attendance(`/people/${person.id}/faces?${this.#query}`, { method: "POST", body });
  }

  async #enrolled({ person, notes, failures }) {
    const lines = [...failures.map(({ source, reason }) => `${source}: ${translated(reason)}`), ...notes.map(translated)];
    this.page.complain(lines.length ? `${t("attendance.enrolled", { name: person.name })} ${lines.join(" ")}` : "");
    await this.#changed(t("attendance.enrolled.photos", { name: person.name, photos: photos(person) }));
  }

  async #changed(words) {
    if (words) this.page.announce(words);
    await this.page.trying(() => this.draw());
    this.dispatchEvent(new Event("changed"));
  }
}

function said({ given_on: day, given_by: by, guardian, notice }) {
  return t("attendance.consent.line", { day, by: guardian ? t("attendance.guardian", { by }) : by, notice });
}

function sentences({ value, fitted, false_accepts: accepts, false_rejects: rejects, similar }) {
  const lines = fitted && accepts
    ? [t("attendance.accepts", { share: share(accepts), value: value.toFixed(3) })]
    : [t("attendance.too.few", { value: value.toFixed(3) })];
  if (rejects) lines.push(t("attendance.rejects", { share: share(rejects) }));
  for (const { people, similarity } of similar) lines.push(t("attendance.alike", { people: people.reduce((one, other) => t("attendance.and", { one, other })), similarity: similarity.toFixed(3) }));
  return lines;
}

function saveJson(table, file) {
  save(new Blob([JSON.stringify(table, null, 2)], { type: "application/json" }), file);
}
