// The model's card, for people.

import { isForeign, translated } from "./said.js";
import { t } from "./strings.js";
import { labelled } from "./words.js";

/** Elements that say what a model is, how good it is and what it is not for; `model` as in GET /v1/models. */
export function cardParts({ name, labels, card = {} }) {
  const parts = [text(t("card.labels", { n: labels.length, labels: labels.map((label) => labelled(label, { within: true })).join(", ") }))];
  const scores = Object.entries(card.scores ?? {}).filter(([, entry]) => entry.UAR);
  if (scores.length) {
    const rows = scores.map(([corpus, { UAR: [value, low, high, n] }]) => [corpus, `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`, n]);
    parts.push(text(t("card.scores")), table(["card.tested", "card.recall", "card.clips"].map((key) => t(key)), rows));
  }
  const data = Object.entries(card.data ?? {});
  const named = ([corpus, d]) => (d?.clips ? t("card.corpus", { corpus, ...d }) : corpus);
  if (data.length) parts.push(text(t("card.data", { data: data.map(named).join(", ") })));
  for (const limit of card.limits ?? []) parts.push(limited(limit));
  if (card.licence) parts.push(text(t("card.licence", { licence: card.licence })));
  if (parts.length === 1) parts.push(text(t("card.nothing", { name })));
  return parts;
}

/** What the card says itself: in English, unless the table has it. */
function limited(words) {
  return Object.assign(text(translated(words)), isForeign(words) ? { lang: "en" } : {});
}

function text(words) {
  return Object.assign(document.createElement("p"), { textContent: words });
}

function table(head, rows) {
  const element = document.createElement("table");
  const line = (kind, cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => Object.assign(document.createElement(kind), { textContent: cell })));
    return row;
  };
  const [top, body] = [document.createElement("thead"), document.createElement("tbody")];
  top.append(line("th", head));
  top.querySelectorAll("th").forEach((cell) => (cell.scope = "col"));
  body.append(...rows.map((row) => line("td", row)));
  element.append(top, body);
  return element;
}
