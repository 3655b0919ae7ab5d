// Reads an image's header before it is decoded: format, size, gray, transparency, depth, profile, EXIF, JPEG quality.

import { beginsWith, inflate, joined, letters, type Bytes } from "./bytes";
import { pngChunks, webpChunks } from "./chunks";
import { orientationOf } from "./exif";
import { readJpeg } from "./jpeg-header";
import { Refusal } from "./refusal";

export interface Header {
  format: "PNG" | "JPEG" | "WebP" | "HEIC" | "AVIF";
  /** Of the upright image. */
  width: number;
  height: number;
  /** Whether it stores one color value per pixel; `null` if only the values tell (palettes and WebP). */
  gray: boolean | null;
  alpha: boolean;
  /** Bits per value. */
  depth: 8 | 16;
  profile?: Bytes;
  /** EXIF without its prefix. */
  exif?: Bytes;
  /** Where the file has its EXIF, if decoders might or might not obey it: a chunk to be left out. */
  exifChunk?: { from: number; to: number };
  /** The quality of a JPEG, 1 to 100, as in `wdsr_tf/inference/jpeg.py`. */
  quality?: number;
}

/** What the readers of each format return: the size is the stored one. */
export type Found = Omit<Header, "format">;

/** A profile above this many bytes isn't a display's: the largest published ones have 3 MB. */
const MAX_PROFILE = 64 * 2 ** 20; // as in wdsr_tf/images/limits.py
const MAX_BYTES = 2 ** 30; // of a file

const READERS: [string, Header["format"], (bytes: Bytes) => Found | undefined | Promise<Found | undefined>][] = [
  ["\x89PNG\r\n\x1a\n", "PNG", readPng],
  ["\xff\xd8\xff", "JPEG", readJpeg],
  ["RIFF####WEBP", "WebP", readWebp],
  ["####ftypavif", "AVIF", readHeif],
  ["####ftyphei", "HEIC", readHeif],
  ["####ftypmif1", "HEIC", readHeif],
];

/** How other formats begin (`#` is any byte), so that a message can name them. */
const OTHERS: [string, string][] = [
  ["GIF8", "GIF"],
  ["BM", "BMP"],
  ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"],
  ["%PDF", "PDF"],
];

/** Reads the header of an image; throws a `Refusal` if it is something else, or damaged. */
export async function readHeader(file: Blob): Promise<Header> {
  if (file.size > MAX_BYTES) throw new Refusal("file.unreadable");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const known = READERS.find(([start]) => beginsWith(bytes, start));
  if (!known) {
    const other = OTHERS.find(([start]) => beginsWith(bytes, start));
    throw other ? new Refusal("file.kind", { kind: other[1] }) : new Refusal("file.unknown");
  }
  const [, format, read] = known;
  try {
    const found = await read(bytes);
    if (found && found.width > 0 && found.height > 0) return { format, ...upright(found) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // read beyond the end of the file
  }
  throw new Refusal("file.damaged");
}

function upright(found: Found): Found {
  const { width, height, exif } = found;
  return orientationOf(exif) > 4 ? { ...found, width: height, height: width } : found;
}

async function readPng(bytes: Bytes): Promise<Found | undefined> {
  const view = new DataView(bytes.buffer);
  const colors = view.getUint8(25);
  const found: Found = {
    width: view.getUint32(16),
    height: view.getUint32(20),
    gray: colors === 3 ? null : (colors & 2) === 0,
    alpha: (colors & 4) !== 0,
    depth: view.getUint8(24) === 16 ? 16 : 8,
  };
  let complete = false;
  for (const { type, from, to, content } of pngChunks(bytes)) {
    if (type === "IDAT") complete = true;
    if (type === "tRNS") found.alpha = true;
    if (type === "eXIf" && !found.exif) {
      found.exif = content.slice();
      found.exifChunk = { from, to };
    }
    if (type === "iCCP" && !found.profile) found.profile = await inflated(content.subarray(content.indexOf(0) + 2));
  }
  return complete ? found : undefined;
}

/** Inflates a PNG's profile; `undefined` if it's damaged or larger than any, which a small file may claim. */
async function inflated(packed: Bytes): Promise<Bytes | undefined> {
  try {
    const parts = [];
    for await (const part of inflate(new Blob([packed]), MAX_PROFILE)) parts.push(part);
    return joined(parts);
  } catch {
    return undefined;
  }
}

function readWebp(bytes: Bytes): Found | undefined {
  const found: Found = { width: 0, height: 0, gray: null, alpha: false, depth: 8 };
  let complete = false;
  for (const { type, from, to, content } of webpChunks(bytes)) {
    const view = new DataView(content.buffer, content.byteOffset, content.length);
    if (type === "VP8X") {
      found.alpha = (view.getUint8(0) & 0x10) !== 0;
      found.width = 1 + (view.getUint32(3, true) >>> 8);
      found.height = 1 + (view.getUint32(6, true) >>> 8);
    } else if (type === "ICCP") {
      found.profile = content.slice();
    } else if (type === "EXIF") {
      found.exif = content.slice(beginsWith(content, "Exif\0\0") ? 6 : 0);
      found.exifChunk = { from, to };
    } else if (type === "VP8L" && !complete) {
      const packed = view.getUint32(1, true);
      found.width ||= 1 + (packed & 0x3fff);
      found.height ||= 1 + ((packed >>> 14) & 0x3fff);
      found.alpha ||= ((packed >>> 28) & 1) !== 0;
      complete = true;
    } else if (type === "VP8 " && !complete) {
      found.width ||= view.getUint16(6, true) & 0x3fff;
      found.height ||= view.getUint16(8, true) & 0x3fff;
      complete = true;
    } else if (type === "ANMF") {
      complete = true;
    }
  }
  return complete ? found : undefined;
}

/** Finds the size in the boxes of a HEIC or AVIF image, of which browsers know the rest: the largest `ispe`. */
function readHeif(bytes: Bytes): Found | undefined {
  const view = new DataView(bytes.buffer);
  const found: Found = { width: 0, height: 0, gray: false, alpha: false, depth: 8 };
  for (let at = 4; at + 16 <= Math.min(bytes.length, 2 ** 20); at++) {
    if (bytes[at] !== 0x69 || letters(bytes, at, 4) !== "ispe") continue;
    const [w, h] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (w * h > found.width * found.height) [found.width, found.height] = [w, h];
  }
  return found;
}
