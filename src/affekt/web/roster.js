// The roster: who is on it, what they consented to, their faces, and their rights.

import { save } from "./download.js";
import { ask, button, element, name } from "./elements.js";
import { Film } from "./film.js";

const find = (id) => document.getElementById(id);
const share = ({ value, low, high }) => `${(100 * value).toFixed(1)} % [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
const photos = ({ photos: n }) => (n ? `${n} photo${n > 1 ? "s" : ""}` : "");

/** "changed" when somebody came, went, or got a face. */
export class RosterView extends EventTarget {
  #roster = "";
  #receipt = null;

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
    const { people, gallery } = await this.page.api.attendance(`/people?${this.#query}`);
    const enrolled = people.filter((person) => person.photos).length;
    find("roster-summary").textContent = people.length ? `${people.length} on it, ${enrolled} with a face` : "";
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
    const about = `of ${person.name}`;
    const acts = consent
      ? [button("Enrol by camera", () => this.#enrol(person), { about }), this.#photos(person), button("Take back", () => this.#withdraw(person), { className: "quiet", about: `the consent ${about}` })]
      : [button("Record a consent", () => this.#consent(person), { about })];
    acts.push(button("Data", () => this.#data(person), { className: "quiet", about }), button("Forget", () => this.#forget(person), { className: "quiet", about: person.name }));
    return element(
      "tr",
      { data: { person: person.id } },
      element("th", { scope: "row" }, name(person.name), person.minor ? element("span", { className: "muted small" }, " (minor)") : null),
      element("td", {}, consent ? said(consent) : "none: by hand only"),
      element("td", { className: "time" }, photos(person) || "none"),
      element("td", { className: "time" }, person.keep_until ? person.keep_until.slice(0, 10) : "–"),
      element("td", {}, element("div", { className: "buttons" }, ...acts)),
    );
  }

  #photos(person) {
    const input = element("input", { type: "file", accept: "image/*", multiple: true });
    input.setAttribute("aria-label", `Photos of ${person.name}`);
    input.addEventListener("change", () => this.page.trying(() => this.#send(person, [...input.files])));
    return element("label", { className: "button" }, "Photos", input);
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
    if (made) await this.#changed(`${made.name}: consent recorded.`);
  }

  async #add() {
    find("add-form").reset();
    const made = await ask(find("add-dialog"), () => this.page.api.attendance("/people", { method: "POST", body: { roster: this.#roster, name: find("add-name").value } }));
    if (made) await this.#changed(`${made.name} is on the roster.`);
  }

  #withdraw(person) {
    return this.#delete(person, `/consent`, {
      title: "Take the consent back?",
      text: `The face of ${person.name} is deleted at once. The name stays on the roster; the camera does not know them any more.`,
    });
  }

  #forget(person) {
    return this.#delete(person, "", { title: "Forget this person?", text: `All about ${person.name} is deleted: face, consent, rows, corrections. It cannot be undone.` });
  }

  async #delete(person, path, { title, text }) {
    find("sure-title").textContent = title;
    find("sure-text").textContent = text;
    const receipt = await ask(find("sure-dialog"), () => this.page.api.attendance(`/people/${person.id}${path}?${this.#query}`, { method: "DELETE" }));
    if (!receipt) return;
    this.#receipt = receipt;
    const deleted = Object.entries(receipt.removed).filter(([, count]) => count).map(([table, count]) => `${count} of ${table}`);
    const lines = [`${receipt.name}, deleted: ${deleted.join(", ") || "nothing was there"}.`, ...receipt.verified.map((line) => `Verified: ${line}.`), ...receipt.remains.map((line) => `Not reached by this program: ${line}.`)];
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
    find("enrol-title").textContent = `Enrol ${person.name}`;
    find("enrol-consent").textContent = `Consent: ${said(person.consent)}.`;
    find("enrol-agree-text").textContent = `${person.name} is here, and agrees that pictures are taken now. Until then the camera is off.`;
    count.textContent = "Three or more, from the front, in good light.";
    [take.disabled, send.disabled] = [true, true];
    agree.onchange = () => this.#light(agree, take);
    take.onclick = async () => {
      taken.push(await this.film.take());
      count.textContent = `${taken.length} taken${taken.length < 3 ? "; three or more are better" : ""}`;
      [send.disabled, take.disabled] = [false, taken.length >= this.page.photos];
    };
    const made = await ask(find("enrol-dialog"), () => this.#upload(person, taken.map((jpeg, i) => new File([jpeg], `picture ${i + 1}`)), find("enrol-similar").checked));
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
      find("enrol-form").querySelector(".wrong").textContent = problem.message;
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
    const lines = [...failures.map(({ source, reason }) => `${source}: ${reason}`), ...notes];
    this.page.complain(lines.length ? `${person.name} is enrolled. ${lines.join(" ")}` : "");
    await this.#changed(`${person.name}: ${photos(person)} enrolled.`);
  }

  async #changed(words) {
    if (words) this.page.announce(words);
    await this.page.trying(() => this.draw());
    this.dispatchEvent(new Event("changed"));
  }
}

function said({ given_on: day, given_by: by, guardian, notice }) {
  return `${day}, ${by}${guardian ? " (guardian)" : ""}, notice ${notice}`;
}

function sentences({ value, fitted, false_accepts: accepts, false_rejects: rejects, similar }) {
  const lines = fitted && accepts
    ? [`One look of a stranger taken for somebody here: ${share(accepts)}, fitted to these faces (threshold ${value.toFixed(3)}).`]
    : [`Too few people to say how often a stranger is taken for one of them (threshold ${value.toFixed(3)}, the usual one).`];
  if (rejects) lines.push(`One look of somebody enrolled stays unknown: ${share(rejects)}.`);
  for (const { people, similarity } of similar) lines.push(`Too much alike: ${people.join(" and ")} (${similarity.toFixed(3)}); check their rows.`);
  return lines;
}

function saveJson(table, file) {
  save(new Blob([JSON.stringify(table, null, 2)], { type: "application/json" }), file);
}
