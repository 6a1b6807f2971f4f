// What every page has at its top: the theme, and the question for the token.

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

/** Have the dialog ask for the token when the server wants one. */
export function askToken(api) {
  let asked = null; // several requests may find out at once that a token is needed
  api.askToken = (wrong) => (asked ??= tokenGiven(wrong).finally(() => (asked = null)));
}

function tokenGiven(wrong) {
  find("token-wrong").textContent = wrong ? "This token is not the right one." : "";
  find("token").value = "";
  find("token-dialog").showModal();
  return new Promise((done, refuse) => {
    find("token-dialog").addEventListener(
      "close",
      () => (find("token").value ? done(find("token").value.trim()) : refuse(new Error("Without a token this server does not answer."))),
      { once: true },
    );
  });
}
