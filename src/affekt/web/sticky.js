// How far a card that sticks to the top of the window may go out of it, so that what matters of it stays with the list.

/** Pixels for what scrolls below it. */
const ROOM = 320;

/** Keep --stuck of `card` up to date: all of it stays where the window is high enough, else from `kept` on. */
export function stick(card, kept) {
  const measure = () => {
    const isLow = card.offsetHeight + ROOM > innerHeight;
    const hidden = kept.getBoundingClientRect().top - card.getBoundingClientRect().top;
    card.style.setProperty("--stuck", isLow ? `${-Math.max(0, Math.round(hidden))}px` : "8px");
  };
  new ResizeObserver(measure).observe(card);
  addEventListener("resize", measure);
}
