// Where tiles start and what each keeps: `wdsr_tf/inference/tiling.py` for a whole picture, so that both cut alike.
//
// All tiles of a plan have one shape. On each axis they start at multiples of `reach.multiple`, overlap by the radius
// on either side of a seam, and end exactly where the picture ends: nothing is padded, and what is kept of a tile is
// what the whole picture would have shown there.

/** How far a network looks, in LR pixels, and of what its tiles' starts are multiples. */
export interface Reach {
  radius: number;
  multiple: number;
}

/** A tile along one axis: it sees `start` to `stop`, of which `low` to `high` is kept. */
export interface Span {
  start: number;
  stop: number;
  low: number;
  high: number;
}

/** Tiles of one shape: each of `rows` crosses each of `columns`. */
export interface Plan {
  rows: Span[];
  columns: Span[];
}

const CALL = 1000; // LR pixels that take as long as starting one more tile does

/** The plan with the least work in tiles of at most `pixels`; the smallest tiles where none are so small. */
export function plan(height: number, width: number, reach: Reach, pixels: number): Plan {
  const heights = lengths(height, reach);
  const widths = lengths(width, reach);
  let best = [heights.at(-1)!, widths.at(-1)!];
  let least = Infinity;
  for (const w of widths) {
    const h = heights.find((h) => h * w <= pixels); // heights fall
    if (h === undefined) continue;
    const work = count(height, h, reach) * count(width, w, reach) * (h * w + CALL);
    if (work < least) {
      least = work;
      best = [h, w];
    }
  }
  return { rows: spans(height, best[0], reach), columns: spans(width, best[1], reach) };
}

/** Lengths of tiles, falling: the shortest for one tile, for two, and so on. */
export function lengths(length: number, reach: Reach): number[] {
  const { radius, multiple } = reach;
  const fit = (tile: number) => Math.min(length, tile + modulo(length - tile, multiple));
  const found: number[] = [];
  let tile = fit(length);
  let tiles = 1;
  while (tiles === 1 || tile >= Math.max(3 * radius, 2 * radius + multiple)) {
    found.push(tile);
    const last = tile;
    while (tile >= last && tiles < length) {
      tiles += 1 + Math.floor(tiles / 32);
      tile = fit(Math.ceil((length + 2 * radius * (tiles - 1)) / tiles));
      while (count(length, tile, reach) > tiles) tile += multiple;
    }
    if (tile >= last) break;
  }
  return found;
}

/** How many tiles of that length are needed. */
function count(length: number, tile: number, reach: Reach): number {
  if (tile >= length) return 1;
  const step = stride(tile, reach);
  return step > 0 ? 1 + Math.ceil((length - tile) / step) : Infinity;
}

function spans(length: number, tile: number, reach: Reach): Span[] {
  const found: Span[] = [];
  let low = 0;
  for (let i = 0; i < count(length, tile, reach); i++) {
    const start = Math.min(i * stride(tile, reach), length - tile);
    const stop = start + tile;
    const high = stop === length ? length : stop - reach.radius;
    found.push({ start, stop, low, high });
    low = high;
  }
  return found;
}

function stride(tile: number, { radius, multiple }: Reach): number {
  return Math.max(0, Math.floor((tile - 2 * radius) / multiple) * multiple);
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
