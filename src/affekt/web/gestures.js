// Wheel, pinch and drag over an axis of time.

/** Pixels that a pointer moves before it drags. */
const STILL = 5;
/** Milliseconds after the page scrolled in which the wheel goes on to scroll it, and after a drag in which no click is one. */
const [SCROLLING, DRAGGED] = [350, 80];

/**
 * Have `root` answer. Places are shares of the width of `ruler`. `acts` has zoom(factor, place, to), which brings what is at a place
 * to another if that is given, and pan(by): both tell whether they changed anything; click(place, event), drag(from, to, began) for each move and, if wanted, dropped(began, to).
 */
export function offerGestures(root, acts, { ruler = root } = {}) {
  const pointers = new Map(); // x by pointer
  let drag = null; // of one pointer: where it began and was last, and whether it moved
  let [scrolled, dropped] = [-Infinity, -Infinity];
  const place = (x) => {
    const { left, width } = ruler.getBoundingClientRect();
    return (x - left) / width;
  };

  const wheel = (event) => {
    const pixels = event.deltaMode === 1 ? 16 : 1;
    // A pinch on a trackpad comes as a wheel with Ctrl.
    if (event.ctrlKey) {
      event.preventDefault();
      acts.zoom(Math.exp(event.deltaY * pixels * 0.01), place(event.clientX));
      return;
    }
    if (performance.now() - scrolled < SCROLLING) return;
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const changed = isSideways
      ? acts.pan(((event.deltaX || event.deltaY) * pixels) / ruler.clientWidth)
      : acts.zoom(Math.exp(Math.max(-0.7, Math.min(0.7, event.deltaY * pixels * 0.002))), place(event.clientX));
    if (changed) event.preventDefault();
  };

  const pinch = (before, now) => {
    const middle = (xs) => (xs[0] + xs[1]) / 2;
    const wide = (xs) => Math.max(20, Math.abs(xs[0] - xs[1]));
    acts.zoom(wide(before) / wide(now), place(middle(before)), place(middle(now)));
  };

  const move = (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = [...pointers.values()];
    pointers.set(event.pointerId, event.clientX);
    if (pointers.size === 2) pinch(before, [...pointers.values()]);
    if (!drag || (!drag.moved && Math.abs(event.clientX - drag.began) < STILL)) return;
    drag.moved = true;
    acts.drag(place(drag.last), place(event.clientX), place(drag.began));
    drag.last = event.clientX;
  };

  const lift = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (drag?.moved) {
      dropped = performance.now();
      acts.dropped?.(place(drag.began), place(event.clientX));
    } else if (drag && event.type === "pointerup") acts.click(place(event.clientX), event);
    drag = null;
  };

  addEventListener("scroll", () => (scrolled = performance.now()), { passive: true });
  root.addEventListener("wheel", wheel, { passive: false });
  root.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, event.clientX);
    drag = pointers.size === 1 ? { began: event.clientX, last: event.clientX, moved: false } : null;
  });
  // A drag may go on outside.
  addEventListener("pointermove", move);
  for (const type of ["pointerup", "pointercancel"]) addEventListener(type, lift);
  root.addEventListener("click", (event) => performance.now() - dropped < DRAGGED && event.stopPropagation(), { capture: true });
}
