// Elements made in scripts. Names are text: they go into text nodes, never into markup.

import { failure } from "./words.js";

/** An element with properties and children; a string is text, what is null is left out. */
export function element(tag, properties = {}, ...children) {
  const { data = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A name, whichever way it is written. */
export const name = (words) => element("bdi", {}, words);

/** A button that does something; `about` says to what, for those who do not see the row. */
export function button(words, act, { className = "", about = "" } = {}) {
  const made = element("button", { type: "button", className }, words, about && element("span", { className: "hidden" }, ` ${about}`));
  made.addEventListener("click", act);
  return made;
}

/** Open a dialog whose form does something; it stays open, and says why, while that fails. */
export function ask(dialog, act) {
  const form = dialog.querySelector("form");
  const wrong = dialog.querySelector(".wrong");
  wrong.textContent = "";
  dialog.showModal();
  return new Promise((done) => {
    const over = new AbortController();
    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        wrong.textContent = "";
        const sender = form.querySelector("[type=submit]");
        sender.disabled = true;
        try {
          const made = await act();
          dialog.returnValue = "done";
          dialog.close();
          done(made ?? true);
        } catch (problem) {
          wrong.textContent = failure(problem.message);
        } finally {
          sender.disabled = false;
        }
      },
      { signal: over.signal },
    );
    dialog.querySelector(".cancel").addEventListener("click", () => dialog.close(), { signal: over.signal });
    dialog.addEventListener(
      "close",
      () => {
        over.abort();
        done(null);
      },
      { signal: over.signal },
    );
  });
}
