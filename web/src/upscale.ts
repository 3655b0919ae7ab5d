// Upscales an image with a network, in tiles that give exactly the untiled result, and yields finished rows.

import { Bicubic } from "./bicubic";
import { bleed } from "./alpha";
import type { Kind, Pixels } from "./pixels";
import { plan, type ReceptiveField, type Span } from "./tiling";

const GRAY_OF_RGB = [0.299, 0.587, 0.114]; // BT.601

/** Runs the network on a tile, RGB in 0..255, row by row; the result is `scale` times as large, not clipped or rounded. */
export type Run = (tile: Float32Array, height: number, width: number) => Promise<Float32Array>;

export interface Job {
  image: Pixels;
  kind: Kind;
  scale: number;
  receptiveField: ReceptiveField;
  /** The maximum number of pixels in a tile. */
  tilePixels: number;
  run: Run;
}

/** A finished rectangle of the result. */
export interface Piece {
  x: number;
  y: number;
  pixels: Pixels;
  /** The fraction of the work that is done, 0 to 1. */
  done: number;
}

/** The network returned NaN or infinity. */
export class NotFinite extends Error {}

/** Yields strips of the result from top to bottom, and calls `show` with each tile first. Modifies `job.image`. */
export async function* upscale(job: Job, show: (piece: Piece) => void): AsyncGenerator<Pixels> {
  const { image, kind, scale, receptiveField, tilePixels } = job;
  const tiles = plan(image.height, image.width, receptiveField, tilePixels);
  const total = tiles.rows.length * tiles.columns.length;
  const opacity = kind.alpha ? new Bicubic(image, scale, 3, 1) : undefined;
  if (kind.alpha) bleed(image);
  let count = 0;
  for (const row of tiles.rows) {
    const [top, bottom] = [row.low * scale, row.high * scale];
    const strip = blank(image.width * scale, bottom - top);
    const alpha = opacity?.rows(top, bottom);
    for (let i = 3; i < strip.data.length; i += 4) strip.data[i] = alpha ? alpha[i >> 2] : 255;
    for (const column of tiles.columns) {
      const sr = await job.run(cut(image, row, column), row.stop - row.start, column.stop - column.start);
      keep(sr, strip, row, column, job);
      count++;
      show({ x: column.low * scale, y: top, pixels: part(strip, column, scale), done: count / total });
    }
    yield strip;
  }
}

/** Returns the colors of a tile. */
function cut({ width, data }: Pixels, row: Span, column: Span): Float32Array {
  const tile = new Float32Array(3 * (row.stop - row.start) * (column.stop - column.start));
  for (let y = row.start, at = 0; y < row.stop; y++) {
    for (let from = 4 * (y * width + column.start); from < 4 * (y * width + column.stop); from += 4) {
      tile[at++] = data[from];
      tile[at++] = data[from + 1];
      tile[at++] = data[from + 2];
    }
  }
  return tile;
}

/** Writes the part of a tile that is kept to `strip`; this clips to 0..255 and rounds half to even. */
function keep(sr: Float32Array, strip: Pixels, row: Span, column: Span, { scale, kind }: Job): void {
  const wide = (column.stop - column.start) * scale;
  const length = (column.high - column.low) * scale;
  let sum = 0;
  for (let y = 0; y < strip.height; y++) {
    let from = 3 * (((row.low - row.start) * scale + y) * wide + (column.low - column.start) * scale);
    let to = 4 * (y * strip.width + column.low * scale);
    for (let x = 0; x < length; x++, from += 3, to += 4) {
      const [r, g, b] = [sr[from], sr[from + 1], sr[from + 2]];
      sum += r + g + b;
      if (kind.gray) {
        const gray = GRAY_OF_RGB[0] * r + GRAY_OF_RGB[1] * g + GRAY_OF_RGB[2] * b;
        strip.data[to] = strip.data[to + 1] = strip.data[to + 2] = gray;
      } else {
        strip.data[to] = r;
        strip.data[to + 1] = g;
        strip.data[to + 2] = b;
      }
    }
  }
  if (!Number.isFinite(sum)) throw new NotFinite();
}

function part(strip: Pixels, column: Span, scale: number): Pixels {
  const [left, right] = [4 * column.low * scale, 4 * column.high * scale];
  const piece = blank((right - left) / 4, strip.height);
  for (let y = 0; y < strip.height; y++) {
    const row = 4 * y * strip.width;
    piece.data.set(strip.data.subarray(row + left, row + right), y * (right - left));
  }
  return piece;
}

function blank(width: number, height: number): Pixels {
  return { width, height, data: new Uint8ClampedArray(4 * width * height) };
}
