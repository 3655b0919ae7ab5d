// Turns and mirrors an image as EXIF asks.

import { blank, depthOf, type Pixels } from "./pixels";

/** Returns the image upright; itself at orientation 1. */
export function upright(image: Pixels, orientation: number): Pixels {
  if (orientation === 1) return image;
  const { width, height, data } = image;
  const turned = orientation > 4;
  const result = turned ? blank(height, width, depthOf(image)) : blank(width, height, depthOf(image));
  const [right, bottom] = [width - 1, height - 1];
  for (let y = 0, to = 0; y < result.height; y++) {
    for (let x = 0; x < result.width; x++, to += 4) {
      const [u, v] = SOURCES[orientation - 1](x, y, right, bottom);
      const from = 4 * (v * width + u);
      for (let c = 0; c < 4; c++) result.data[to + c] = data[from + c];
    }
  }
  return result;
}

/** For each orientation, where the pixel at (x, y) of the upright image is in the stored one. */
const SOURCES: ((x: number, y: number, right: number, bottom: number) => [number, number])[] = [
  (x, y) => [x, y],
  (x, y, right) => [right - x, y],
  (x, y, right, bottom) => [right - x, bottom - y],
  (x, y, _, bottom) => [x, bottom - y],
  (x, y) => [y, x],
  (x, y, _, bottom) => [y, bottom - x],
  (x, y, right, bottom) => [right - y, bottom - x],
  (x, y, right) => [right - y, x],
];
