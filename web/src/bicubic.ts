// MATLAB's bicubic enlargement by a whole factor, as `wdsr_tf/images/resize.py` computes it.

import type { Pixels } from "./pixels";

const HALF_UP = 0.5 + 1e-9; // a half is rounded up also where float64 falls short of it by a last digit

/** For every output row or column, the inputs that it is mixed from: `TAPS` indices and weights each. */
interface Mix {
  indices: Int32Array;
  weights: Float64Array;
}

const TAPS = 5;

/** Enlarges `channels` values a pixel by `scale`; rows are made on demand, so that one strip is in memory at a time. */
export class Bicubic {
  readonly width: number;
  readonly height: number;
  private readonly across: Mix;
  private readonly down: Mix;

  /** Of the four values a pixel of `picture`, those from `first` on are enlarged. */
  constructor(
    private readonly picture: Pixels,
    scale: number,
    private readonly first = 0,
    private readonly channels = 4,
  ) {
    this.width = picture.width * scale;
    this.height = picture.height * scale;
    this.across = mix(picture.width, scale);
    this.down = mix(picture.height, scale);
  }

  /** Rows `top` to `bottom` of the result, with `channels` values a pixel. */
  rows(top: number, bottom: number): Uint8ClampedArray<ArrayBuffer> {
    const { channels, width } = this;
    const result = new Uint8ClampedArray((bottom - top) * width * channels);
    const row = new Float64Array(this.picture.width * channels);
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
    const { picture, channels, first } = this;
    row.fill(0);
    for (let t = TAPS * y; t < TAPS * (y + 1); t++) {
      const weight = this.down.weights[t];
      if (weight === 0) continue;
      let from = this.down.indices[t] * picture.width * 4 + first;
      for (let at = 0; at < row.length; from += 4) {
        for (let c = 0; c < channels; c++, at++) row[at] += weight * picture.data[from + c];
      }
    }
  }
}

/** Beyond the borders the picture is mirrored, the border's own pixels included. */
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
