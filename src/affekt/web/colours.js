// The colours of the labels: the same as in plot/colours.py (a test compares them).

// Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, with grey for their black.
export const LABEL_COLOURS = {
  angry: "#D55E00",
  calm: "#56B4E9",
  disgust: "#009E73",
  fear: "#CC79A7",
  happy: "#F0E442",
  neutral: "#A6A6A6",
  sad: "#0072B2",
  surprise: "#E69F00",
};

// Tol (2021), "muted" and "pale", those that are not near a colour above.
export const FURTHER_COLOURS = ["#332288", "#882255", "#999933", "#44AA99", "#663333", "#CCDDAA", "#FFCCCC", "#225522"];

/** Each label's colour; no two share one. Known labels always have the same; others take what is left. */
export function colours(labels) {
  const spare = [...Object.keys(LABEL_COLOURS).filter((l) => !labels.includes(l)).map((l) => LABEL_COLOURS[l]), ...FURTHER_COLOURS];
  let next = 0;
  const further = () => spare[next] ?? `hsl(${(18 + next * 222.5) % 360} 60% ${[35, 55, 75][next % 3]}%)`;
  return Object.fromEntries([...new Set(labels)].map((l) => [l, Object.hasOwn(LABEL_COLOURS, l) ? LABEL_COLOURS[l] : [further(), next++][0]]));
}

/** Black or white, whichever is easier to read on #RRGGBB (WCAG 2 contrast). */
export function ink(colour) {
  if (!colour.startsWith("#")) return "#000000";
  const linear = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? "#000000" : "#FFFFFF";
}
