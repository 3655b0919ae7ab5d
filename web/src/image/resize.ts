// MATLAB's antialiased bicubic resizing to any size, as `imresize_rows` in `wdsr_tf/images/resize.py`. No library has it:
// pica's nearest filter, for example, has other weights (Mitchell's), fixed-point arithmetic and repeated borders.

import { blank, depthOf, inDepth, type Depth, type Pixels, type Size, type Values } from "./pixels";

const ROWS = 64; // of a strip
const HALF_UP = 0.5 + 1e-9; // rounds a half up even if float64 is off by a last digit

/** Rows of an image, four values per pixel. */
export interface Rows {
  width: number;
  height: number;
  row(y: number): Values;
}

/** The inputs of every output row or column: `taps` indices and weights each. */
interface Mix {
  taps: number;
  indices: Int32Array;
  weights: Float64Array;
}

/** Resizes `channels` values per pixel; computes rows on demand, so that only one strip is in memory. */
export class Bicubic {
  private readonly across: Mix;
  private readonly down: Mix;

  /** Takes the values from `first` on, of the four per pixel of `source`. */
  constructor(
    private readonly source: Rows,
    readonly width: number,
    readonly height: number,
    private readonly first = 0,
    private readonly channels = 4,
  ) {
    this.across = mix(source.width, width);
    this.down = mix(source.height, height);
  }

  /** Returns the rows `top` to `bottom` of the result: `channels` values per pixel, rounded once, in the source's depth. */
  rows(top: number, bottom: number, depth: Depth): Values {
    const { channels, width, across } = this;
    const length = (bottom - top) * width * channels;
    const result = depth === 8 ? new Uint8ClampedArray(length) : new Uint16Array(length);
    const peak = depth === 8 ? 255 : 65535;
    const row = new Float64Array(this.source.width * channels);
    for (let y = top, at = 0; y < bottom; y++) {
      this.mixRows(y, row);
      for (let x = 0, t = 0; x < width; x++, t += across.taps) {
        for (let c = 0; c < channels; c++, at++) {
          let sum = 0;
          for (let i = t; i < t + across.taps; i++) sum += across.weights[i] * row[across.indices[i] * channels + c];
          result[at] = Math.min(Math.max(Math.floor(sum + HALF_UP), 0), peak);
        }
      }
    }
    return result;
  }

  /** Returns the last row of the source that row `y` needs. */
  last(y: number): number {
    return this.down.indices.subarray(this.down.taps * y, this.down.taps * (y + 1)).reduce((a, b) => Math.max(a, b));
  }

  /** Returns the first row of the source that row `y` or one below it needs. */
  oldest(y: number): number {
    return this.down.indices.subarray(this.down.taps * y).reduce((a, b) => Math.min(a, b), this.source.height);
  }

  private mixRows(y: number, row: Float64Array): void {
    const { source, channels, first, down } = this;
    row.fill(0);
    for (let t = down.taps * y; t < down.taps * (y + 1); t++) {
      const weight = down.weights[t];
      if (weight === 0) continue;
      const values = source.row(down.indices[t]);
      for (let at = 0, from = first; at < row.length; from += 4) {
        for (let c = 0; c < channels; c++, at++) row[at] += weight * values[from + c];
      }
    }
  }
}

/** Resizes an image in memory, `ROWS` rows at a time. */
export function* resized(image: Pixels, width: number, height: number, depth: Depth): Generator<Pixels> {
  const bicubic = new Bicubic(rowsOf(image), width, height);
  for (let y = 0; y < height; y += ROWS) {
    const bottom = Math.min(y + ROWS, height);
    yield inDepth({ width, height: bottom - y, data: bicubic.rows(y, bottom, depthOf(image)) }, depth);
  }
}

/** Resizes an image that arrives in strips; keeps only those that are still needed. */
export async function* resizedStrips(
  strips: AsyncIterable<Pixels>,
  from: Size,
  to: Size,
  depth: Depth,
): AsyncGenerator<Pixels> {
  const held: { top: number; strip: Pixels }[] = [];
  const row = (y: number) => {
    const { top, strip } = held.find(({ top, strip }) => y < top + strip.height)!;
    return rowsOf(strip).row(y - top);
  };
  const bicubic = new Bicubic({ ...from, row }, to.width, to.height);
  let arrived = 0;
  let y = 0;
  for await (const strip of strips) {
    held.push({ top: arrived, strip });
    arrived += strip.height;
    while (y < to.height) {
      let bottom = y;
      while (bottom < Math.min(y + ROWS, to.height) && bicubic.last(bottom) < arrived) bottom++;
      if (bottom === y) break;
      yield inDepth({ width: to.width, height: bottom - y, data: bicubic.rows(y, bottom, depthOf(strip)) }, depth);
      y = bottom;
    }
    const oldest = bicubic.oldest(y);
    while (held.length > 0 && held[0].top + held[0].strip.height <= oldest) held.shift();
  }
}

export function rowsOf({ width, height, data }: Pixels): Rows {
  return { width, height, row: (y) => data.subarray(4 * y * width, 4 * (y + 1) * width) };
}

/** The image is mirrored at its borders, including the border pixels. */
function mix(length: number, size: number): Mix {
  const scale = size / length;
  const stretch = Math.min(scale, 1);
  const width = 4 / stretch;
  const taps = Math.ceil(width) + 2;
  const indices = new Int32Array(taps * size);
  const weights = new Float64Array(taps * size);
  for (let out = 0, at = 0; out < size; out++) {
    const center = (out + 0.5) / scale - 0.5;
    const start = Math.floor(center - width / 2);
    let total = 0;
    for (let t = 0; t < taps; t++) total += cubic(stretch * (center - start - t));
    for (let t = 0; t < taps; t++, at++) {
      const mirrored = (((start + t) % (2 * length)) + 2 * length) % (2 * length);
      indices[at] = Math.min(mirrored, 2 * length - 1 - mirrored);
      weights[at] = cubic(stretch * (center - start - t)) / total;
    }
  }
  return { taps, indices, weights };
}

/** Keys' cubic convolution kernel with a = -0.5. */
function cubic(distance: number): number {
  const t = Math.abs(distance);
  if (t <= 1) return 1.5 * t ** 3 - 2.5 * t ** 2 + 1;
  if (t <= 2) return -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2;
  return 0;
}

/** Joins strips to one image. */
export async function collected(strips: AsyncIterable<Pixels>, width: number, height: number, depth: Depth) {
  const whole = blank(width, height, depth);
  let at = 0;
  for await (const { data } of strips) {
    whole.data.set(data, at);
    at += data.length;
  }
  return whole;
}
