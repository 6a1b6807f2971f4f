// What the server says of an answer, in the language of the page. It says it in English, in one of a finite set of
// sentences: each is found in the table of strings by its English, and what is filled in is taken over.

import { STRINGS, language, t } from "./strings.js";
import { labelled } from "./words.js";

/** A label is one word or a few, without a mark. */
const LABEL = "[^,;:]+?";

/** The sentences with what they look like, those that say most themselves first. */
const patterns = Object.entries(STRINGS)
  .filter(([key]) => key.startsWith("said."))
  .map(([key, { en }]) => {
    const parts = en.split(/\{(\w+)\}/);
    const source = parts.map((part, i) => (i % 2 ? `(?<${part}>${part === "label" ? LABEL : ".+?"})` : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
    return { key, own: parts.filter((_, i) => i % 2 === 0).join("").length, form: new RegExp(`^${source.join("")}$`, "su") };
  })
  .sort((a, b) => b.own - a.own);

/** What stands in places that are words themselves. */
const FILLED = { label: (words) => labelled(words, { within: true }), window: (words) => windowed(words) };

/** One sentence in the language of the page, or null where it is not known. */
function one(words) {
  for (const { key, form } of patterns) {
    const found = form.exec(words);
    if (!found) continue;
    const filled = Object.entries(found.groups ?? {}).map(([name, value]) => [name, FILLED[name]?.(value) ?? value]);
    return t(key, Object.fromEntries(filled));
  }
  return null;
}

/** Sentences that the server has joined by `mark`, which may stand inside of one, too; null where one is not known. */
function several(parts, mark) {
  if (!parts.length) return [];
  for (let n = 1; n <= parts.length; n++) {
    const first = one(parts.slice(0, n).join(mark));
    const rest = first === null ? null : several(parts.slice(n), mark);
    if (rest) return [first, ...rest];
  }
  return null;
}

function found(words) {
  const key = `${language()} ${words}`;
  if (!kept.has(key)) kept.set(key, ["; ", ", "].map((mark) => several(words.split(mark), mark)?.join(mark)).find(Boolean) ?? null);
  return kept.get(key);
}
const kept = new Map(); // a long recording says the same again and again

/** What the server said, in the language of the page; as it is where the table does not have it. */
export const translated = (words) => (language() === "en" || !words ? words : (found(words) ?? words));

/** Whether that is English on a page that is not. */
export const isForeign = (words) => language() !== "en" && Boolean(words) && found(words) === null;

/** A window of time as the server writes it: "2026-03-29 09:30 to 10:00 Europe/Berlin". */
export const windowed = (words) => words.replace(/^(\S+ \S+) to (.+)$/, (_, from, to) => t("time.span", { from, to }));
