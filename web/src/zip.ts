// All results as one ZIP file, which is written piece by piece: neither it nor a result is ever in memory as a whole.

import { Zip, ZipPassThrough } from "fflate";

const MAX_BYTES = 2 ** 32 - 2 ** 20; // without ZIP64, which fflate doesn't write
const PIECE = 2 ** 22;

export interface Entry {
  path: string;
  blob: Blob;
}

/** Divides entries into groups of which each fits into a ZIP file. */
export function groups(entries: Entry[], limit = MAX_BYTES): Entry[][] {
  const found: Entry[][] = [];
  let size = Infinity;
  for (const entry of entries) {
    const needed = entry.blob.size + 2 * entry.path.length + 200;
    if (size + needed > limit) {
      found.push([]);
      size = 0;
    }
    found.at(-1)!.push(entry);
    size += needed;
  }
  return found;
}

/** Returns a ZIP file; images are compressed already, so they are stored. */
export async function zip(entries: Entry[]): Promise<Blob> {
  const parts: Blob[] = []; // which browsers can keep on disk
  let pending: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const flush = () => {
    parts.push(new Blob(pending));
    [pending, size] = [[], 0];
  };
  const archive = new Zip((error, bytes) => {
    if (error) throw error;
    pending.push(bytes as Uint8Array<ArrayBuffer>);
    size += bytes.length;
    if (size >= PIECE) flush();
  });
  const taken = new Set<string>();
  for (const { path, blob } of entries) {
    const file = new ZipPassThrough(unique(safe(path), taken));
    archive.add(file);
    for await (const bytes of chunks(blob)) file.push(bytes);
    file.push(new Uint8Array(), true);
  }
  archive.end();
  flush();
  return new Blob(parts, { type: "application/zip" });
}

async function* chunks(blob: Blob): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

/** Returns a path that stays in the folder that the file is unpacked to. */
function safe(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => part !== "" && part !== "." && part !== "..");
  return parts.join("/") || "image";
}

/** Returns the path with a number if it's taken; "a.png" and "A.png" are the same file for many systems. */
function unique(path: string, taken: Set<string>): string {
  const dot = path.lastIndexOf(".");
  let found = path;
  for (let i = 2; taken.has(found.toLowerCase()); i++) found = `${path.slice(0, dot)} (${i})${path.slice(dot)}`;
  taken.add(found.toLowerCase());
  return found;
}
