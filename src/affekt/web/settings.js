// Model, labels, voices: what the next recording is asked.

import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { capital } from "./words.js";

const SETS = { voice: "All eight emotions", four: "Angry, happy, neutral, sad", ekman: "Six of Ekman", "calm-is-neutral": "Calm counts as neutral", valence: "Negative, neutral, positive" };

/** "changed" whenever something is. */
export class Settings extends EventTarget {
  /** All that the server has; those of speech are offered here. */
  models = [];
  #models = [];
  #find = (id) => document.getElementById(id);

  constructor(api) {
    super();
    this.api = api;
    this.#find("model").addEventListener("change", () => this.#chooseModel());
    this.#find("labels").addEventListener("change", () => this.#chooseLabels());
    this.#find("own-labels").addEventListener("change", () => this.#chooseLabels());
    for (const radio of document.getElementsByName("voices")) radio.addEventListener("change", () => this.#chooseVoices());
  }

  /** Ask the server what there is. */
  async load() {
    this.models = await this.api.models();
    this.#models = this.models.filter((m) => m.modality === "speech");
    const options = this.#models.map((m) => new Option(m.name, m.name, m.default, m.default));
    this.#find("model").replaceChildren(...options);
    await this.#chooseModel();
  }

  get model() {
    return this.#models.find((m) => m.name === this.#find("model").value);
  }

  /** Choose a model that takes a speaker baseline, if the present one cannot; false where there is none. */
  async chooseAdaptive() {
    if (this.model?.card.baseline) return true;
    const other = this.#models.find((m) => m.card.baseline);
    if (!other) return false;
    this.#find("model").value = other.name;
    await this.#chooseModel();
    return true;
  }

  /** Fields for predict and for hello; throws an Error in words where something is missing. */
  fields() {
    if (this.#own && this.#checked.length < 2) throw new Error("Choose at least two emotions in Settings.");
    if (this.voices !== "all" && !this.#find("voices-sure").checked) throw new Error("Settings leave voices out: confirm it there, or choose all.");
    return { model: this.model?.name, labels: this.#labels, voices: this.voices === "all" ? "" : this.voices };
  }

  /** Which channels of files are read; the microphone has one. */
  get channel() {
    return this.#find("channel").value;
  }

  get voices() {
    return [...document.getElementsByName("voices")].find((radio) => radio.checked).value;
  }

  /** Whether emotions of the model are left out. */
  get lost() {
    if (this.#own) return this.#checked.length < this.model.labels.length;
    return ["four", "ekman", "valence"].includes(this.#find("labels").value);
  }

  /** The labels to expect, with their colours. */
  get palette() {
    return colours(this.#own ? this.#checked : (this.model?.labels ?? []));
  }

  get #own() {
    return this.#find("labels").value === "own";
  }

  get #checked() {
    return [...this.#find("own-labels").querySelectorAll("input:checked")].map((box) => box.value);
  }

  get #labels() {
    return this.#own ? this.#checked.join(",") : this.#find("labels").value;
  }

  async #chooseModel() {
    const { model } = this;
    if (!model) return;
    const { maps = [] } = await this.api.labels(model.name);
    const names = (Array.isArray(maps) ? maps : Object.keys(maps)).filter((name) => name !== "voice");
    const kept = this.#find("labels").value;
    const options = [new Option(`All ${model.labels.length} emotions`, ""), ...names.map((n) => new Option(SETS[n] ?? n, n)), new Option("My choice …", "own")];
    this.#find("labels").replaceChildren(...options);
    if (options.some((o) => o.value === kept)) this.#find("labels").value = kept;
    this.#find("own-labels").replaceChildren(this.#find("own-labels").firstElementChild, ...model.labels.map(box));
    this.#find("card-body").replaceChildren(...cardParts(model));
    this.#chooseLabels();
  }

  #chooseLabels() {
    this.#find("own-labels").hidden = !this.#own;
    const few = this.#own && this.#checked.length < 2;
    this.#find("labels-note").textContent = few
      ? "Choose at least two."
      : this.lost
        ? "What is left out is shared among the rest: confidence is then too high."
        : "";
    this.dispatchEvent(new Event("changed"));
  }

  #chooseVoices() {
    this.#find("voices-note").hidden = this.voices === "all";
    this.#find("voices-sure").checked = false;
    this.dispatchEvent(new Event("changed"));
  }
}

function box(label) {
  const element = Object.assign(document.createElement("label"), { className: "check" });
  element.append(Object.assign(document.createElement("input"), { type: "checkbox", value: label, checked: true }), ` ${capital(label)}`);
  return element;
}
