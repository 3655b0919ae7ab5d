// MATLAB's bicubic upscaling by an integer factor, as in `wdsr_tf/images/resize.py`.

import type { Pixels } from "./pixels";

const HALF_UP = 0.5 + 1e-9; // rounds a half up even if float64 is off by a last digit

/** The inputs of every output row or column: `TAPS` indices and weights each. */
interface Mix {
  indices: Int32Array;
  weights: Float64Array;
}

const TAPS = 5;

/** Upscales `channels` values per pixel; computes rows on demand, so that only one strip is in memory. */
export class Bicubic {
  readonly width: number;
  readonly height: number;
  private readonly across: Mix;
  private readonly down: Mix;

  /** Upscales the values from `first` on, of the four per pixel of `image`. */
  constructor(
    private readonly image: Pixels,
    scale: number,
    private readonly first = 0,
    private readonly channels = 4,
  ) {
    this.width = image.width * scale;
    this.height = image.height * scale;
    this.across = mix(image.width, scale);
    this.down = mix(image.height, scale);
  }

  /** Returns the rows `top` to `bottom` of the result, with `channels` values per pixel. */
  rows(top: number, bottom: number): Uint8ClampedArray<ArrayBuffer> {
    const { channels, width } = this;
    const result = new Uint8ClampedArray((bottom - top) * width * channels);
    const row = new Float64Array(this.image.width * channels);
    for (let y = top, at = 0; y < bottom; y++) {
      this.mixRows(y, row);
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < channels; c++, at++) {
          let sum = 0;
          for (let t = TAPS * x; t < TAPS * (x + 1); t++) {
            sum += this.across.weights[t] * row[this.across.indices[t] * channels + c];
          }
          result[at] = Math.floor(sum + HALF_UP);
        }
      }
    }
    return result;
  }

  private mixRows(y: number, row: Float64Array): void {
    const { image, channels, first } = this;
    row.fill(0);
    for (let t = TAPS * y; t < TAPS * (y + 1); t++) {
      const weight = this.down.weights[t];
      if (weight === 0) continue;
      let from = this.down.indices[t] * image.width * 4 + first;
      for (let at = 0; at < row.length; from += 4) {
        for (let c = 0; c < channels; c++, at++) row[at] += weight * image.data[from + c];
      }
    }
  }
}

/** The image is mirrored at its borders, including the border pixels. */
function mix(length: number, scale: number): Mix {
  const indices = new Int32Array(TAPS * length * scale);
  const weights = new Float64Array(TAPS * length * scale);
  for (let out = 0, at = 0; out < length * scale; out++) {
    const center = (out + 0.5) / scale - 0.5;
    const start = Math.floor(center - 2) + (Number.isInteger(center) ? 0 : 1);
    let total = 0;
    for (let t = 0; t < TAPS; t++) total += cubic(center - start - t);
    for (let t = 0; t < TAPS; t++, at++) {
      const mirrored = (((start + t) % (2 * length)) + 2 * length) % (2 * length);
      indices[at] = Math.min(mirrored, 2 * length - 1 - mirrored);
      weights[at] = cubic(center - start - t) / total;
    }
  }
  return { indices, weights };
}

/** Keys' cubic convolution kernel with a = -0.5. */
function cubic(distance: number): number {
  const t = Math.abs(distance);
  if (t <= 1) return 1.5 * t ** 3 - 2.5 * t ** 2 + 1;
  if (t <= 2) return -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2;
  return 0;
}
