// The keys of the page: what each does, and the dialog that says so.

/** Where letters are text, and where Space and arrows already do something. */
const TYPING = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button])";
/** How many times as fast a video plays. */
const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];
const WIDGET = "button, summary, a, input, video, audio";

/** What keys do over an axis of time: beside what is the same for all, play, lane(number) and speed(direction). */
export const timeActs = (overTime, own) => ({
  move: (seconds) => overTime.seekTo(overTime.time + seconds),
  zoom: (factor) => overTime.zoom(factor),
  all: () => overTime.all(),
  segment: (direction) => {
    const segment = overTime.neighbour(direction);
    if (segment) overTime.seekTo(segment.start);
  },
  ...own,
});

/** The same where a video plays; a camera does not. */
export function videoActs(overTime, video, lane) {
  const hasFile = () => Boolean(video.getAttribute("src"));
  return timeActs(overTime, {
    play: () => hasFile() && (video.paused ? video.play().catch(() => {}) : video.pause()),
    lane,
    speed: (direction) => {
      const next = RATES.indexOf(video.playbackRate) + direction;
      if (hasFile() && next in RATES) video.playbackRate = RATES[next];
    },
  });
}

/**
 * Have keys do what `acts()` has, if that gives something: see `timeActs`. Unless the box in the dialog is checked they
 * work in sliders only.
 */
export function offerKeys({ dialog, opener, box, acts }) {
  const show = () => dialog.open || dialog.showModal();
  const table = {
    " ": () => acts().play(),
    ArrowLeft: ({ shiftKey }) => acts().move(shiftKey ? -5 : -1),
    ArrowRight: ({ shiftKey }) => acts().move(shiftKey ? 5 : 1),
    "+": () => acts().zoom(0.5),
    "=": () => acts().zoom(0.5),
    "-": () => acts().zoom(2),
    0: () => acts().all(),
    j: () => acts().segment(1),
    k: () => acts().segment(-1),
    ",": () => acts().speed(-1),
    ".": () => acts().speed(1),
    "?": show,
  };
  for (let i = 1; i <= 9; i++) table[i] = () => acts().lane(i - 1);

  opener.addEventListener("click", show);
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const act = table[key.length === 1 ? key.toLowerCase() : key];
    if (!act || !acts() || document.querySelector("dialog[open]") || target.closest?.(TYPING)) return;
    if (!box.checked && !target.closest?.("[role=slider]")) return;
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
