// Model, labels, voices: what the next recording is asked.

import { cardParts } from "./card.js";
import { colours } from "./colours.js";
import { known, t } from "./strings.js";
import { labelled } from "./words.js";

/** What a set of labels is called; names that the table does not have stay as they are. */
export const setName = (name) => (known(`sets.${name}`) ? t(`sets.${name}`) : name);

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
    this.#find("channel").addEventListener("change", () => this.dispatchEvent(new Event("changed")));
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

  /** Write everything anew: the language changed. */
  redraw() {
    return this.#chooseModel();
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
    if (this.#own && this.#checked.length < 2) throw new Error(t("settings.labels.few.error"));
    if (this.voices !== "all" && !this.#find("voices-sure").checked) throw new Error(t("settings.voices.confirm"));
    return { model: this.model?.name, labels: this.#labels, voices: this.voices === "all" ? "" : this.voices };
  }

  /** What is asked now, whether it may be or not. */
  get wanted() {
    return { model: this.model?.name, labels: this.#labels };
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
    const options = [new Option(t("settings.labels.all", { n: model.labels.length }), ""), ...names.map((n) => new Option(setName(n), n)), new Option(t("settings.labels.mine"), "own")];
    this.#find("labels").replaceChildren(...options);
    if (options.some((o) => o.value === kept)) this.#find("labels").value = kept;
    const unchecked = new Set([...this.#find("own-labels").querySelectorAll("input:not(:checked)")].map((one) => one.value));
    this.#find("own-labels").replaceChildren(this.#find("own-labels").firstElementChild, ...model.labels.map((label) => box(label, !unchecked.has(label))));
    this.#find("card-body").replaceChildren(...cardParts(model));
    this.#chooseLabels();
  }

  #chooseLabels() {
    this.#find("own-labels").hidden = !this.#own;
    const few = this.#own && this.#checked.length < 2;
    this.#find("labels-note").textContent = few
      ? t("settings.labels.few")
      : this.lost
        ? t("settings.labels.lost")
        : "";
    this.dispatchEvent(new Event("changed"));
  }

  #chooseVoices() {
    this.#find("voices-note").hidden = this.voices === "all";
    this.#find("voices-sure").checked = false;
    this.dispatchEvent(new Event("changed"));
  }
}

function box(label, checked) {
  const element = Object.assign(document.createElement("label"), { className: "check" });
  element.append(Object.assign(document.createElement("input"), { type: "checkbox", value: label, checked }), ` ${labelled(label)}`);
  return element;
}
