// The model's card, for people.

/** Elements that say what a model is, how good it is and what it is not for; `model` as in GET /v1/models. */
export function cardParts({ name, labels, card = {} }) {
  const parts = [text(`${labels.length} emotions: ${labels.join(", ")}.`)];
  const scores = Object.entries(card.scores ?? {}).filter(([, entry]) => entry.UAR);
  if (scores.length) {
    const rows = scores.map(([corpus, { UAR: [value, low, high, n] }]) => [corpus, `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`, n]);
    parts.push(text("On unseen speakers: mean recall over the emotions, with a 95 % interval."), table(["tested on", "recall", "clips"], rows));
  }
  const data = Object.entries(card.data ?? {});
  if (data.length) parts.push(text(`Learned from ${data.map(([corpus, d]) => (d?.clips ? `${corpus} (${d.clips} clips, ${d.speakers} speakers)` : corpus)).join(", ")}.`));
  for (const limit of card.limits ?? []) parts.push(text(limit));
  if (card.licence) parts.push(text(`Licence: ${card.licence}`));
  if (parts.length === 1) parts.push(text(`The card of ${name} says no more.`));
  return parts;
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
