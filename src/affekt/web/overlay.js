// What the network looks at, over a face: one hue, the stronger the more the answer changes when the place is covered.

/** Blue lies far from all colours of skin, for colour-blind eyes too; style.css has it for the legend. */
const [HUE, MOST] = [[40, 90, 255], 0.78];

/** Draw a map {area, values} over the face's box, in shares of the sheet; between the middles of cells it is linear. */
export function drawMap({ context, width, height }, { area, values }, { box, mirror = false }) {
  const cells = document.createElement("canvas");
  // A rim as its neighbours are, so that the outermost halves of cells are not mixed with nothing.
  const [rows, columns] = [values.length, values[0].length];
  [cells.width, cells.height] = [columns + 2, rows + 2];
  const sheet = cells.getContext("2d");
  const image = sheet.createImageData(columns + 2, rows + 2);
  const inside = (i, count) => Math.min(count - 1, Math.max(0, i - 1));
  for (let y = 0; y < rows + 2; y++)
    for (let x = 0; x < columns + 2; x++) {
      const value = values[inside(y, rows)][inside(x, columns)];
      image.data.set([...HUE, Math.round(255 * MOST * value)], 4 * (y * (columns + 2) + x));
    }
  sheet.putImageData(image, 0, 0);
  const [left, top, wide, high] = box;
  const place = [left + area[0] * wide, top + area[1] * high, area[2] * wide, area[3] * high];
  context.save();
  if (mirror) context.transform(-1, 0, 0, 1, width, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(cells, 1, 1, columns, rows, place[0] * width, place[1] * height, place[2] * width, place[3] * height);
  context.restore();
}
