// Reads a JPEG's header: https://www.w3.org/Graphics/JPEG/itu-t81.pdf.

import { joined, letters, type Bytes } from "./bytes";
import type { Found } from "./header";

const STANDARD_TABLE = 3685; // the sum of the luma table in the JPEG standard, which libjpeg calls quality 50

/** Reads the header of a JPEG; `undefined` if it has no frame. */
export function readJpeg(bytes: Bytes): Found | undefined {
  const view = new DataView(bytes.buffer);
  const profile: Bytes[] = [];
  let exif: Bytes | undefined;
  let quality: number | undefined;
  for (let at = 2; at + 4 <= bytes.length; at += 2 + view.getUint16(at + 2)) {
    while (view.getUint8(at + 1) === 0xff) at++; // fill bytes
    const marker = view.getUint16(at);
    if (marker === 0xffe2 && letters(bytes, at + 4, 12) === "ICC_PROFILE\0") {
      profile[view.getUint8(at + 16)] = bytes.slice(at + 18, at + 2 + view.getUint16(at + 2));
    }
    if (marker === 0xffe1 && letters(bytes, at + 4, 6) === "Exif\0\0") {
      exif ??= bytes.slice(at + 10, at + 2 + view.getUint16(at + 2));
    }
    if (marker === 0xffdb) quality = lumaQuality(view, at) ?? quality;
    if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) {
      return {
        width: view.getUint16(at + 7),
        height: view.getUint16(at + 5),
        gray: view.getUint8(at + 9) === 1,
        alpha: false,
        depth: 8,
        exif,
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
  for (let table = at + 4; table < end;) {
    const [wide, id] = [view.getUint8(table) >> 4, view.getUint8(table) & 15];
    let sum = 0;
    for (let i = 0; i < 64; i++) sum += wide ? view.getUint16(table + 1 + 2 * i) : view.getUint8(table + 1 + i);
    const mean = sum / STANDARD_TABLE;
    if (id === 0) return mean <= 1 ? 100 - 50 * mean : 50 / mean;
    table += 65 + 64 * wide;
  }
  return undefined;
}
