// Plans tiles as in `wdsr_tf/inference/tiling.py`, so that both give the same result.
//
// All tiles of a plan have the same shape. On each axis they start at multiples of `multiple`, overlap by `radius` on
// both sides of a seam, and end exactly where the image ends. So nothing is padded, and the part of a tile that is kept
// equals that part of the untiled result.

/** The part of a network's receptive field that decides about tiles. */
export interface Field {
  radius: number;
  multiple: number;
}

/** A tile along one axis: it covers `start` to `stop`, and `low` to `high` is kept. */
export interface Span {
  start: number;
  stop: number;
  low: number;
  high: number;
}

/** A grid of tiles: every combination of `rows` and `columns`. */
export interface Plan {
  rows: Span[];
  columns: Span[];
}

const CALL = 1000; // LR pixels that take as long as starting a tile

/** Returns the plan with the least work in tiles of up to `pixels`, or with the smallest tiles if all are larger. */
export function plan(height: number, width: number, receptiveField: Field, pixels: number): Plan {
  const heights = lengths(height, receptiveField);
  const widths = lengths(width, receptiveField);
  let best = [heights.at(-1)!, widths.at(-1)!];
  let least = Infinity;
  for (const w of widths) {
    const h = heights.find((h) => h * w <= pixels); // heights are descending
    if (h === undefined) continue;
    const work = count(height, h, receptiveField) * count(width, w, receptiveField) * (h * w + CALL);
    if (work < least) {
      least = work;
      best = [h, w];
    }
  }
  return { rows: spans(height, best[0], receptiveField), columns: spans(width, best[1], receptiveField) };
}

/** Returns useful tile lengths, descending: the shortest for one tile, for two tiles, and so on. */
export function lengths(length: number, receptiveField: Field): number[] {
  const { radius, multiple } = receptiveField;
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
      while (count(length, tile, receptiveField) > tiles) tile += multiple;
    }
    if (tile >= last) break;
  }
  return found;
}

/** Returns the number of tiles of this length. */
function count(length: number, tile: number, receptiveField: Field): number {
  if (tile >= length) return 1;
  const step = stride(tile, receptiveField);
  return step > 0 ? 1 + Math.ceil((length - tile) / step) : Infinity;
}

function spans(length: number, tile: number, receptiveField: Field): Span[] {
  const found: Span[] = [];
  let low = 0;
  for (let i = 0; i < count(length, tile, receptiveField); i++) {
    const start = Math.min(i * stride(tile, receptiveField), length - tile);
    const stop = start + tile;
    const high = stop === length ? length : stop - receptiveField.radius;
    found.push({ start, stop, low, high });
    low = high;
  }
  return found;
}

function stride(tile: number, { radius, multiple }: Field): number {
  return Math.max(0, Math.floor((tile - 2 * radius) / multiple) * multiple);
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
