// Transparency: fills in colors under transparent pixels so that edges get no halo, as in `wdsr_tf/inference/alpha.py`.

import { rounded, type Pixels } from "./pixels";

/** Several values per pixel, row by row. */
interface Field {
  width: number;
  height: number;
  values: Float32Array;
}

/**
 * Replaces the colors of fully transparent pixels by those of visible pixels nearby, in place.
 *
 * Programs leave arbitrary colors there, often white or black, and a network would spread them into the edges.
 */
export function bleed(image: Pixels): void {
  const { width, height, data } = image;
  const known = new Uint8Array(width * height);
  let count = 0;
  for (let i = 0; i < known.length; i++) count += known[i] = data[4 * i + 3] > 0 ? 1 : 0;
  if (count === 0 || count === known.length) return;
  const values = new Float32Array(3 * known.length);
  for (let i = 0; i < known.length; i++) for (let c = 0; c < 3; c++) values[3 * i + c] = data[4 * i + c];
  const filled = fill({ width, height, values }, known).values;
  for (let i = 0; i < known.length; i++) {
    if (!known[i]) for (let c = 0; c < 3; c++) data[4 * i + c] = rounded(filled[3 * i + c]);
  }
}

/** Sets unknown pixels to the mean of their known neighbors, or to the color of a coarser image. */
function fill(colors: Field, known: Uint8Array): Field {
  const { width, height, values } = colors;
  const isFilled = known.slice();
  const filled = new Float32Array(values.length);
  let missing = false;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (known[i]) {
        for (let c = 0; c < 3; c++) filled[3 * i + c] = values[3 * i + c];
        continue;
      }
      let weight = 0;
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const k = v * width + u;
          if (!known[k]) continue;
          weight++;
          for (let c = 0; c < 3; c++) filled[3 * i + c] += values[3 * k + c];
        }
      }
      for (let c = 0; c < 3; c++) filled[3 * i + c] /= Math.max(weight, 1);
      isFilled[i] = weight > 0 ? 1 : 0;
      missing ||= weight === 0;
    }
  }
  const result = { width, height, values: filled };
  if (missing) fillFrom(coarse(result, isFilled), result, isFilled);
  return result;
}

/** Half the size: means of the known pixels among 2 x 2, filled. */
function coarse({ width, height, values }: Field, known: Uint8Array): Field {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const sums = new Float32Array(3 * half.width * half.height);
  const weights = new Uint8Array(half.width * half.height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!known[i]) continue;
      const k = (y >> 1) * half.width + (x >> 1);
      weights[k]++;
      for (let c = 0; c < 3; c++) sums[3 * k + c] += values[3 * i + c];
    }
  }
  for (let k = 0; k < weights.length; k++) for (let c = 0; c < 3; c++) sums[3 * k + c] /= Math.max(weights[k], 1);
  return fill({ ...half, values: sums }, weights);
}

function fillFrom(around: Field, { width, height, values }: Field, known: Uint8Array): void {
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (known[i]) continue;
      const k = (y >> 1) * around.width + (x >> 1);
      for (let c = 0; c < 3; c++) values[3 * i + c] = around.values[3 * k + c];
    }
  }
}
