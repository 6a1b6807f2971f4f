// From when on a recording is long: its segments are too many to take in, and shares say more than their mean.

let few = Infinity;

/** How many segments can be taken in; the package says it, to the terminal and to the page. */
export function setFew(count) {
  few = count;
}

export const isLong = (segments) => segments.length > few;
