// The chunks that PNG and WebP files consist of.

import { letters, type Bytes } from "./bytes";

export interface Chunk {
  type: string;
  /** Where it is in the file, with its header. */
  from: number;
  to: number;
  /** A view of the file; shorter than the chunk says if the file ends before. */
  content: Bytes;
}

/** https://www.w3.org/TR/png-3/#5Chunk-layout */
export function* pngChunks(bytes: Bytes): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let from = 8; from + 12 <= bytes.length;) {
    const to = from + 12 + view.getUint32(from);
    yield { type: letters(bytes, from + 4, 4), from, to, content: bytes.subarray(from + 8, to - 4) };
    from = to;
  }
}

/** https://developers.google.com/speed/webp/docs/riff_container */
export function* webpChunks(bytes: Bytes): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let from = 12; from + 8 <= bytes.length;) {
    const length = view.getUint32(from + 4, true);
    const to = from + 8 + length + (length % 2);
    yield { type: letters(bytes, from, 4), from, to, content: bytes.subarray(from + 8, from + 8 + length) };
    from = to;
  }
}
