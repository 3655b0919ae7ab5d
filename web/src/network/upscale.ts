// Upscales an image with a network, in tiles that give exactly the untiled result, and yields finished strips.

import { bleed } from "../image/alpha";
import {
  blank,
  depthOf,
  inDepth,
  peakOf,
  rounded,
  type Depth,
  type Kind,
  type Pixels,
  type Shallow,
  type Size,
} from "../image/pixels";
import { Refusal } from "../image/refusal";
import { Bicubic, rowsOf } from "../image/resize";
import type { Network } from "./routes";
import { plan, type Plan, type Span } from "./tiling";

const GRAY_OF_RGB = [0.299, 0.587, 0.114]; // BT.601
const TILE_PIXELS = 2 ** 16; // 256 x 256: at most a few seconds per tile
const TILE_BYTES = 2 ** 30;
const MOST_BYTES = 1.5 * TILE_BYTES; // if a network sees so far that smaller tiles make no sense

/** Runs a tile, RGB in 0..255, row by row; the result is `scale` times as large, not clipped or rounded. */
export type Run = (tile: Float32Array, height: number, width: number) => Promise<Float32Array>;

/** A finished rectangle of the result, for the screen. */
export interface Piece {
  x: number;
  y: number;
  pixels: Pixels<Shallow>;
}

/** The network returned NaN or infinity. */
export class NotFinite extends Error {}

/** Returns the tiles for an image; throws a `Refusal` if the network can't run on such an image. */
export function tilesFor({ width, height }: Size, { name, receptiveField }: Network): Plan {
  const { bytes_per_pixel: bytes, global_mean: whole } = receptiveField;
  const pixels = whole ? MOST_BYTES / bytes : Math.min(TILE_PIXELS, TILE_BYTES / bytes);
  const tiles = plan(height, width, receptiveField, pixels);
  const [row, column] = [tiles.rows[0], tiles.columns[0]];
  const most = (row.stop - row.start) * (column.stop - column.start) * bytes;
  if (most > MOST_BYTES) throw new Refusal("network.memory", { name, gigabytes: Math.ceil(most / 2 ** 30) });
  if (whole && tiles.rows.length * tiles.columns.length > 1) throw new Refusal("network.whole", { name });
  return tiles;
}

/** Yields the result from top to bottom, in `depth` bits, after calling `show` with each tile. Changes hidden colors. */
export async function* upscale(
  image: Pixels,
  kind: Kind,
  network: Network,
  run: Run,
  depth: Depth,
  show: (piece: Piece, done: number) => Promise<void>,
): AsyncGenerator<Pixels> {
  const { scale } = network;
  const tiles = tilesFor(image, network);
  const total = tiles.rows.length * tiles.columns.length;
  const wide = image.width * scale;
  const opacity = kind.alpha ? new Bicubic(rowsOf(image), wide, image.height * scale, 3, 1) : undefined;
  if (kind.alpha) bleed(image);
  let count = 0;
  for (const row of tiles.rows) {
    const [top, bottom] = [row.low * scale, row.high * scale];
    const strip = blank(wide, bottom - top, depth);
    setAlpha(strip, image, opacity?.rows(top, bottom, depthOf(image)));
    for (const column of tiles.columns) {
      const sr = await run(cut(image, row, column), row.stop - row.start, column.stop - column.start);
      keep(sr, strip, row, column, scale, kind);
      await show({ x: column.low * scale, y: top, pixels: part(strip, column, scale) }, ++count / total);
    }
    yield strip;
  }
}

/** Sets alpha to that of rows with the depth of `image`, or to opaque. */
function setAlpha(strip: Pixels, image: Pixels, rows?: Pixels["data"]): void {
  const { data } = strip;
  const factor = peakOf(strip) / peakOf(image);
  for (let i = 3; i < data.length; i += 4) data[i] = rows ? rounded(rows[i >> 2] * factor) : peakOf(strip);
}

/** Returns the colors of a tile, in 0..255. */
function cut(image: Pixels, row: Span, column: Span): Float32Array {
  const { width, data } = image;
  const level = Math.fround(255 / peakOf(image));
  const tile = new Float32Array(3 * (row.stop - row.start) * (column.stop - column.start));
  for (let y = row.start, at = 0; y < row.stop; y++) {
    for (let from = 4 * (y * width + column.start); from < 4 * (y * width + column.stop); from += 4) {
      tile[at++] = data[from] * level;
      tile[at++] = data[from + 1] * level;
      tile[at++] = data[from + 2] * level;
    }
  }
  return tile;
}

/** Writes the part of a tile that is kept to `strip`; clips, and rounds half to even. */
function keep(sr: Float32Array, strip: Pixels, row: Span, column: Span, scale: number, { gray }: Kind): void {
  const wide = (column.stop - column.start) * scale;
  const length = (column.high - column.low) * scale;
  const { data } = strip;
  const factor = peakOf(strip) / 255;
  const stored = (value: number) => rounded(Math.min(Math.max(value, 0), 255) * factor);
  let sum = 0;
  for (let y = 0; y < strip.height; y++) {
    let from = 3 * (((row.low - row.start) * scale + y) * wide + (column.low - column.start) * scale);
    let to = 4 * (y * strip.width + column.low * scale);
    for (let x = 0; x < length; x++, from += 3, to += 4) {
      const [r, g, b] = [sr[from], sr[from + 1], sr[from + 2]];
      sum += r + g + b;
      if (gray) {
        data[to] = data[to + 1] = data[to + 2] = stored(GRAY_OF_RGB[0] * r + GRAY_OF_RGB[1] * g + GRAY_OF_RGB[2] * b);
      } else {
        data[to] = stored(r);
        data[to + 1] = stored(g);
        data[to + 2] = stored(b);
      }
    }
  }
  if (!Number.isFinite(sum)) throw new NotFinite();
}

/** Returns a column of a strip, with 8 bits for the screen. */
function part(strip: Pixels, column: Span, scale: number): Pixels<Shallow> {
  const [left, right] = [4 * column.low * scale, 4 * column.high * scale];
  const piece = blank((right - left) / 4, strip.height, depthOf(strip));
  for (let y = 0; y < strip.height; y++) {
    const row = 4 * y * strip.width;
    piece.data.set(strip.data.subarray(row + left, row + right), y * (right - left));
  }
  return inDepth(piece, 8);
}
