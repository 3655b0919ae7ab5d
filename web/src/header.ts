// Reads an image's header before it is decoded: format, size, gray, transparency, color profile, JPEG quality.

import type { Key, Values } from "./i18n";

export interface Header {
  width: number;
  height: number;
  /** Whether it stores one color value per pixel; `null` if only the values tell (palettes and WebP). */
  gray: boolean | null;
  alpha: boolean;
  profile?: Uint8Array<ArrayBuffer>;
  /** The quality of a JPEG, 1 to 100, as in `wdsr_tf/inference/jpeg.py`. */
  quality?: number;
}

const STANDARD_TABLE = 3685; // the sum of the luma table in the JPEG standard, which libjpeg calls quality 50

/** A profile above this many bytes isn't a display's: the largest published ones have 3 MB. */
const MAX_PROFILE = 64 * 2 ** 20; // as in wdsr_tf/images/limits.py

type Bytes = Uint8Array<ArrayBuffer>;

/** How other formats begin (`#` is any byte), so that a message can name them. */
const OTHERS: [string, string][] = [
  ["GIF8", "GIF"],
  ["BM", "BMP"],
  ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"],
  ["####ftypavif", "AVIF"],
  ["####ftyphei", "HEIC"],
  ["####ftypmif1", "HEIC"],
  ["%PDF", "PDF"],
];

/** An error that is explained to the user. */
export class Refusal extends Error {
  constructor(
    readonly key: Key,
    readonly values?: Values,
  ) {
    super(key);
  }
}

/** Reads the header of a PNG, JPEG or WebP; throws a `Refusal` if it is something else, or damaged. */
export async function readHeader(file: Blob): Promise<Header> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const read = beginsWith(bytes, "\x89PNG\r\n\x1a\n")
    ? readPng
    : beginsWith(bytes, "\xff\xd8\xff")
      ? readJpeg
      : beginsWith(bytes, "RIFF####WEBP")
        ? readWebp
        : undefined;
  if (!read) {
    const other = OTHERS.find(([start]) => beginsWith(bytes, start));
    throw other ? new Refusal("file.kind", { kind: other[1] }) : new Refusal("file.unknown");
  }
  try {
    const header = await read(bytes);
    if (header && header.width > 0 && header.height > 0) return header;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // read beyond the end of the file
  }
  throw new Refusal("file.damaged");
}

async function readPng(bytes: Bytes): Promise<Header | undefined> {
  const view = new DataView(bytes.buffer);
  const colors = view.getUint8(25);
  const header: Header = {
    width: view.getUint32(16),
    height: view.getUint32(20),
    gray: colors === 3 ? null : (colors & 2) === 0,
    alpha: (colors & 4) !== 0,
  };
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = text(bytes, at + 4, 4);
    if (type === "IDAT") return header;
    if (type === "tRNS") header.alpha = true;
    if (type === "iCCP" && !header.profile) {
      const content = bytes.slice(at + 8, at + 8 + view.getUint32(at));
      header.profile = await inflated(content.slice(content.indexOf(0) + 2)).catch(() => undefined); // broken
    }
  }
  return undefined;
}

function readJpeg(bytes: Bytes): Header | undefined {
  const view = new DataView(bytes.buffer);
  const profile: Bytes[] = [];
  let quality: number | undefined;
  for (let at = 2; at + 4 <= bytes.length; at += 2 + view.getUint16(at + 2)) {
    while (view.getUint8(at + 1) === 0xff) at++; // fill bytes
    const marker = view.getUint16(at);
    if (marker === 0xffe2 && text(bytes, at + 4, 12) === "ICC_PROFILE\0") {
      profile[view.getUint8(at + 16)] = bytes.slice(at + 18, at + 2 + view.getUint16(at + 2));
    }
    if (marker === 0xffdb) quality = lumaQuality(view, at) ?? quality;
    if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) {
      return {
        width: view.getUint16(at + 7),
        height: view.getUint16(at + 5),
        gray: view.getUint8(at + 9) === 1,
        alpha: false,
        profile: profile.length > 0 ? joined(Object.values(profile)) : undefined,
        quality,
      };
    }
  }
  return undefined;
}

/** Returns the quality of the luma table, table 0, if the segment at `at` has it. */
function lumaQuality(view: DataView, at: number): number | undefined {
  const end = at + 2 + view.getUint16(at + 2);
  for (let table = at + 4; table < end; ) {
    const [wide, id] = [view.getUint8(table) >> 4, view.getUint8(table) & 15];
    let sum = 0;
    for (let i = 0; i < 64; i++) sum += wide ? view.getUint16(table + 1 + 2 * i) : view.getUint8(table + 1 + i);
    const mean = sum / STANDARD_TABLE;
    if (id === 0) return mean <= 1 ? 100 - 50 * mean : 50 / mean;
    table += 65 + 64 * wide;
  }
  return undefined;
}

function readWebp(bytes: Bytes): Header | undefined {
  const view = new DataView(bytes.buffer);
  const header: Header = { width: 0, height: 0, gray: null, alpha: false };
  for (let at = 12; at + 8 <= bytes.length; ) {
    const type = text(bytes, at, 4);
    const content = at + 8;
    const length = view.getUint32(at + 4, true);
    if (type === "VP8X") {
      header.alpha = (view.getUint8(content) & 0x10) !== 0;
      header.width = 1 + (view.getUint32(content + 3, true) >>> 8);
      header.height = 1 + (view.getUint32(content + 6, true) >>> 8);
    } else if (type === "ICCP") {
      header.profile = bytes.slice(content, content + length);
    } else if (type === "VP8L") {
      const packed = view.getUint32(content + 1, true);
      header.width ||= 1 + (packed & 0x3fff);
      header.height ||= 1 + ((packed >>> 14) & 0x3fff);
      header.alpha ||= ((packed >>> 28) & 1) !== 0;
      return header;
    } else if (type === "VP8 ") {
      header.width ||= view.getUint16(content + 6, true) & 0x3fff;
      header.height ||= view.getUint16(content + 8, true) & 0x3fff;
      return header;
    } else if (type === "ANMF") {
      return header;
    }
    at = content + length + (length % 2);
  }
  return undefined;
}

function beginsWith(bytes: Bytes, start: string): boolean {
  return [...start].every((letter, i) => letter === "#" || bytes[i] === letter.charCodeAt(0));
}

function text(bytes: Bytes, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

/** Inflates a PNG's profile; `undefined` if it's damaged or larger than any, which a small file may claim. */
async function inflated(bytes: Bytes): Promise<Bytes | undefined> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts: Bytes[] = [];
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return joined(parts);
    size += value.length;
    if (size > MAX_PROFILE) {
      await reader.cancel();
      return undefined;
    }
    parts.push(value as Bytes);
  }
}

function joined(parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
