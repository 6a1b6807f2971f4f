// What every page has at its top: the theme, and the question for the token.

import { LANGUAGES, language, say, setLanguage, t, translate, wantedLanguage, write } from "./strings.js";

const find = (id) => document.getElementById(id);

/** The button that changes the theme; `draw` paints what style sheets do not. Returns what draws both. */
export function offerTheme(draw = () => {}) {
  const isDark = () => (document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const drawTheme = () => {
    find("theme").setAttribute("aria-pressed", String(isDark()));
    draw();
  };
  find("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("affekt.theme", theme);
    } catch {
      // A browser that keeps nothing forgets the choice with the page.
    }
    drawTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTheme);
  return drawTheme;
}

/** The choice of the language, which stands first in the browser's; `draw` makes anew what scripts have written. */
export function offerLanguage(draw) {
  setLanguage(wantedLanguage());
  translate();
  const select = find("language");
  select.replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) => Object.assign(new Option(name, code), { lang: code })));
  select.value = language();
  select.addEventListener("change", () => {
    try {
      localStorage.setItem("affekt.language", select.value);
    } catch {
      // A browser that keeps nothing forgets the choice with the page.
    }
    setLanguage(select.value);
    translate();
    draw();
  });
}

/** Have the dialog ask for the token when the server wants one. */
export function askToken(api) {
  let asked = null; // several requests may find out at once that a token is needed
  api.askToken = (wrong) => (asked ??= tokenGiven(wrong).finally(() => (asked = null)));
}

function tokenGiven(wrong) {
  if (wrong) say(find("token-wrong"), "token.wrong");
  else write(find("token-wrong"), "");
  find("token").value = "";
  find("token-dialog").showModal();
  return new Promise((done, refuse) => {
    find("token-dialog").addEventListener(
      "close",
      () => (find("token").value ? done(find("token").value.trim()) : refuse(new Error(t("token.without")))),
      { once: true },
    );
  });
}
