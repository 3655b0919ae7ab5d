// EXIF blocks as bytes, as in `wdsr_tf/images/exif.py`: values are copied, never decoded and encoded again, so that text
// in any encoding and the makers' private notes survive. Only what the new image makes wrong is removed or replaced.

import type { Bytes } from "./bytes";

const ORIENTATION = 274;
const EXIF_IFD = 34665;
const [PIXEL_WIDTH, PIXEL_HEIGHT] = [0xa002, 0xa003];
const [THUMBNAIL_OFFSET, THUMBNAIL_BYTES] = [513, 514];
const LONG = 4;
const UNITS = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4]; // bytes of a value, by type

/** Tags that describe how values are stored in the file that was read: [first, last]. They'd be wrong in the new one. */
const LAYOUT = [
  ...[
    [254, 266],
    [273, 274],
    [277, 284],
    [288, 293],
    [296, 297],
    [301, 301],
    [317, 325],
    [330, 347],
    [512, 521],
  ],
  ...[
    [529, 532],
    [700, 700],
    [33723, 33723],
    [34377, 34377],
    [34675, 34675],
    [37724, 37724],
  ],
];

interface Entry {
  tag: number;
  type: number;
  /** Where the values are, and how many bytes they have. */
  place: number;
  length: number;
  /** Where the entry is. */
  own: number;
}

interface Block {
  view: DataView;
  little: boolean;
  first: number;
}

/** Returns the orientation, 1 (upright) to 8; 1 if there is none, or no valid one. */
export function orientationOf(exif?: Bytes): number {
  const block = exif && open(exif);
  const entry = block && entriesAt(block, block.first).find(({ tag }) => tag === ORIENTATION);
  const value = entry ? number(block, entry) : 1;
  return value >= 1 && value <= 8 ? value : 1;
}

/** Returns an EXIF block for an upright image of that size, without thumbnail; `undefined` if nothing is left. */
export function exifFor(exif: Bytes, width: number, height: number): Bytes | undefined {
  const block = open(exif);
  if (!block) return undefined;
  const kept = entriesAt(block, block.first).filter(
    ({ tag }) => !LAYOUT.some(([low, high]) => tag >= low && tag <= high),
  );
  if (kept.length === 0) return undefined;
  const bytes = exif.slice();
  const data: Block = { ...block, view: new DataView(bytes.buffer) };
  const end = withoutThumbnail(data, bytes);
  const entries = kept.map(({ own }) => exif.slice(own, own + 12)); // the directory gets shorter, and stays where it is
  const was = 2 + 12 * data.view.getUint16(data.first, data.little);
  bytes.fill(0, data.first, Math.min(data.first + was + 4, end));
  data.view.setUint16(data.first, kept.length, data.little);
  entries.forEach((entry, i) => bytes.set(entry, data.first + 2 + 12 * i));
  resize(data, width, height);
  return bytes.slice(0, end);
}

/** Opens a block without the prefix "Exif"; `undefined` if it's none. */
function open(exif: Bytes): Block | undefined {
  if (exif.length < 8) return undefined;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length);
  const order = view.getUint16(0);
  const little = order === 0x4949;
  if ((!little && order !== 0x4d4d) || view.getUint16(2, little) !== 42) return undefined;
  return { view, little, first: view.getUint32(4, little) };
}

/** Returns the entries of the directory at `at`, without those whose values aren't in the block. */
function entriesAt({ view, little }: Block, at: number): Entry[] {
  const entries: Entry[] = [];
  if (at < 8 || at + 2 > view.byteLength) return entries;
  const count = view.getUint16(at, little);
  for (let own = at + 2; own < at + 2 + 12 * count && own + 12 <= view.byteLength; own += 12) {
    const type = view.getUint16(own + 2, little);
    const length = (UNITS[type] ?? 0) * view.getUint32(own + 4, little);
    const place = length > 4 ? view.getUint32(own + 8, little) : own + 8;
    if (length > 0 && place + length <= view.byteLength) {
      entries.push({ tag: view.getUint16(own, little), type, place, length, own });
    }
  }
  return entries;
}

/** Returns the first value of a tag of 2 or 4 bytes, or 0. */
function number({ view, little }: Block, { type, place }: Entry): number {
  if (UNITS[type] === 2) return view.getUint16(place, little);
  return UNITS[type] === 4 ? view.getUint32(place, little) : 0;
}

function resize(block: Block, width: number, height: number): void {
  const inner = entriesAt(block, block.first).find(({ tag }) => tag === EXIF_IFD);
  for (const { tag, own } of inner ? entriesAt(block, number(block, inner)) : []) {
    if (tag !== PIXEL_WIDTH && tag !== PIXEL_HEIGHT) continue;
    block.view.setUint16(own + 2, LONG, block.little);
    block.view.setUint32(own + 4, 1, block.little);
    block.view.setUint32(own + 8, tag === PIXEL_WIDTH ? width : height, block.little);
  }
}

/** Overwrites the thumbnail with zeros; returns where the block ends without it. */
function withoutThumbnail(block: Block, bytes: Bytes): number {
  const { view, little, first } = block;
  const next = first + 2 + 12 * view.getUint16(first, little);
  if (next + 4 > bytes.length) return bytes.length;
  const entries = entriesAt(block, view.getUint32(next, little));
  const [offset, size] = [THUMBNAIL_OFFSET, THUMBNAIL_BYTES].map((tag) => entries.find((entry) => entry.tag === tag));
  if (!offset || !size) return bytes.length;
  const start = number(block, offset);
  const end = Math.min(bytes.length, start + number(block, size));
  if (start <= next + 4) return bytes.length; // it would be within the first directory
  bytes.fill(0, start, end);
  return end >= bytes.length - 1 ? start : bytes.length;
}
