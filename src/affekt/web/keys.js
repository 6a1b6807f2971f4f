// The keys of the page: what each does, and the dialog that says so.

/** Where letters are text, and where Space and arrows already do something. */
const TYPING = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button])";
const WIDGET = "button, summary, a, input";

/**
 * Have keys do something while `active()`. `acts` has play, move(seconds), zoom(factor), all, segment(direction),
 * lane(number) and speed(direction). Unless the box in the dialog is checked they work in the slider only.
 */
export function offerKeys({ dialog, opener, box, slider, active, acts }) {
  const show = () => dialog.open || dialog.showModal();
  const table = {
    " ": () => acts.play(),
    ArrowLeft: ({ shiftKey }) => acts.move(shiftKey ? -5 : -1),
    ArrowRight: ({ shiftKey }) => acts.move(shiftKey ? 5 : 1),
    "+": () => acts.zoom(0.5),
    "=": () => acts.zoom(0.5),
    "-": () => acts.zoom(2),
    0: () => acts.all(),
    j: () => acts.segment(1),
    k: () => acts.segment(-1),
    ",": () => acts.speed(-1),
    ".": () => acts.speed(1),
    "?": show,
  };
  for (let i = 1; i <= 9; i++) table[i] = () => acts.lane(i - 1);

  opener.addEventListener("click", show);
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const act = table[key.length === 1 ? key.toLowerCase() : key];
    if (!act || !active() || document.querySelector("dialog[open]") || target.closest?.(TYPING)) return;
    if (!box.checked && target !== slider) return;
    if ((key === " " || key.startsWith("Arrow")) && target.closest?.(WIDGET)) return;
    event.preventDefault();
    act(event);
  });
}

/** Keep in the browser whether keys work everywhere, once somebody changes it. */
export function rememberKeys(box) {
  try {
    if (localStorage.getItem("affekt.keys") === "off") box.checked = false;
    box.addEventListener("change", () => localStorage.setItem("affekt.keys", box.checked ? "on" : "off"));
  } catch {
    // A browser that keeps nothing begins with all keys.
  }
}
