// Writes PNG files row by row: https://www.w3.org/TR/png-3/. A canvas needs the whole image in memory, premultiplies colors
// by alpha, and can't write gray images or color profiles.

import type { Kind } from "./pixels";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Takes the rows of an image from top to bottom, and compresses them immediately. */
export class PngWriter {
  private readonly parts: Uint8Array<ArrayBuffer>[] = [];
  private readonly channels: number;
  private readonly rowLength: number;
  private readonly rows: WritableStreamDefaultWriter<BufferSource>;
  private readonly packed: Promise<void>;
  private above: Uint8Array;

  private constructor(width: number, height: number, private readonly kind: Kind) {
    this.channels = (kind.gray ? 1 : 3) + (kind.alpha ? 1 : 0);
    this.rowLength = width * this.channels;
    this.above = new Uint8Array(this.rowLength);
    const header = new DataView(new ArrayBuffer(13));
    header.setUint32(0, width);
    header.setUint32(4, height);
    header.setUint8(8, 8);
    header.setUint8(9, (kind.gray ? 0 : 2) + (kind.alpha ? 4 : 0));
    this.parts.push(new Uint8Array(SIGNATURE), chunk("IHDR", new Uint8Array(header.buffer)));
    const deflate = new CompressionStream("deflate");
    this.rows = deflate.writable.getWriter();
    this.packed = this.collect(deflate.readable);
  }

  static async open(width: number, height: number, kind: Kind): Promise<PngWriter> {
    const writer = new PngWriter(width, height, kind);
    if (kind.profile) {
      const stream = new Blob([kind.profile]).stream().pipeThrough(new CompressionStream("deflate"));
      const packed = new Response(stream);
      const name = new TextEncoder().encode("ICC profile\0\0");
      writer.parts.push(chunk("iCCP", joined([name, new Uint8Array(await packed.arrayBuffer())])));
    }
    return writer;
  }

  /** Appends rows with four values per pixel; writes those that the file has. */
  async append(data: Uint8ClampedArray): Promise<void> {
    const { channels, rowLength, kind } = this;
    const height = (data.length / 4 / rowLength) * channels;
    const filtered = new Uint8Array(height * (rowLength + 1));
    for (let y = 0, from = 0; y < height; y++) {
      const row = new Uint8Array(rowLength);
      for (let at = 0; at < rowLength; at += channels, from += 4) {
        row[at] = data[from];
        if (!kind.gray) {
          row[at + 1] = data[from + 1];
          row[at + 2] = data[from + 2];
        }
        if (kind.alpha) row[at + channels - 1] = data[from + 3];
      }
      filter(row, this.above, channels, filtered.subarray(y * (rowLength + 1), (y + 1) * (rowLength + 1)));
      this.above = row;
    }
    await this.rows.write(filtered);
  }

  /** Returns the file. */
  async finish(): Promise<Blob> {
    await this.rows.close();
    await this.packed;
    return new Blob([...this.parts, chunk("IEND", new Uint8Array())], { type: "image/png" });
  }

  private async collect(packed: ReadableStream<Uint8Array>): Promise<void> {
    let pending: Uint8Array[] = [];
    let length = 0;
    const flush = () => {
      if (length > 0) this.parts.push(chunk("IDAT", joined(pending)));
      pending = [];
      length = 0;
    };
    const reader = packed.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      pending.push(part.value);
      length += part.value.length;
      if (length >= 2 ** 18) flush();
    }
    flush();
  }
}

/** Writes the filtered row to `out`, with the filter that gives smaller values: Up or Paeth. */
function filter(row: Uint8Array, above: Uint8Array, stride: number, out: Uint8Array): void {
  const paeth = new Uint8Array(row.length);
  let upSum = 0;
  let paethSum = 0;
  out[0] = 2;
  for (let i = 0; i < row.length; i++) {
    const left = i < stride ? 0 : row[i - stride];
    const corner = i < stride ? 0 : above[i - stride];
    const up = above[i];
    const toLeft = Math.abs(up - corner);
    const toUp = Math.abs(left - corner);
    const toCorner = Math.abs(left + up - 2 * corner);
    const nearest = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
    out[i + 1] = row[i] - up;
    paeth[i] = row[i] - nearest;
    upSum += out[i + 1] < 128 ? out[i + 1] : 256 - out[i + 1];
    paethSum += paeth[i] < 128 ? paeth[i] : 256 - paeth[i];
  }
  if (paethSum < upSum) {
    out[0] = 4;
    out.set(paeth, 1);
  }
}

function chunk(type: string, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(content, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < bytes.length - 4; i++) crc = CRC[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  view.setUint32(bytes.length - 4, ~crc >>> 0);
  return bytes;
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
