// Writes PNG files row by row: https://www.w3.org/TR/png-3/. A canvas needs the whole image in memory, premultiplies colors
// by alpha, and can't write gray images or color profiles.

import { joined, type Bytes } from "./bytes";
import { inDepth, type Depth, type Kind, type Pixels } from "./pixels";
import type { Writer } from "./writer";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Compresses rows as they arrive. */
export class PngWriter implements Writer {
  private readonly parts: Blob[] = []; // which browsers can keep on disk
  private readonly channels: number;
  private readonly rowLength: number;
  private readonly rows: WritableStreamDefaultWriter<BufferSource>;
  private readonly packed: Promise<void>;
  private above: Uint8Array;

  private constructor(
    private readonly width: number,
    height: number,
    private readonly kind: Kind,
    private readonly depth: Depth,
  ) {
    this.channels = (kind.gray ? 1 : 3) + (kind.alpha ? 1 : 0);
    this.rowLength = (width * this.channels * depth) / 8;
    this.above = new Uint8Array(this.rowLength);
    const header = new DataView(new ArrayBuffer(13));
    header.setUint32(0, width);
    header.setUint32(4, height);
    header.setUint8(8, depth);
    header.setUint8(9, (kind.gray ? 0 : 2) + (kind.alpha ? 4 : 0));
    this.parts.push(new Blob([new Uint8Array(SIGNATURE), chunk("IHDR", new Uint8Array(header.buffer))]));
    const deflate = new CompressionStream("deflate");
    this.rows = deflate.writable.getWriter();
    this.packed = this.collect(deflate.readable);
  }

  static async open(width: number, height: number, kind: Kind, depth: Depth): Promise<PngWriter> {
    const writer = new PngWriter(width, height, kind, depth);
    if (kind.profile) {
      const stream = new Blob([kind.profile]).stream().pipeThrough(new CompressionStream("deflate"));
      const packed = new Response(stream);
      const name = new TextEncoder().encode("ICC profile\0\0");
      writer.parts.push(new Blob([chunk("iCCP", joined([name, new Uint8Array(await packed.arrayBuffer())]))]));
    }
    if (kind.exif) writer.parts.push(new Blob([chunk("eXIf", kind.exif)]));
    return writer;
  }

  async append(strip: Pixels): Promise<void> {
    const { rowLength, width, depth } = this;
    const { data, height } = inDepth(strip, depth);
    const stride = (this.channels * depth) / 8;
    const filtered = new Uint8Array(height * (rowLength + 1));
    for (let y = 0; y < height; y++) {
      const row = this.packedRow(data.subarray(4 * width * y, 4 * width * (y + 1)));
      filter(row, this.above, stride, filtered.subarray(y * (rowLength + 1), (y + 1) * (rowLength + 1)));
      this.above = row;
    }
    await this.rows.write(filtered);
  }

  /** Returns those of the four values per pixel that the file has, as bytes. */
  private packedRow(data: Pixels["data"]): Uint8Array {
    const { gray, alpha } = this.kind;
    const places = [0, ...(gray ? [] : [1, 2]), ...(alpha ? [3] : [])];
    const row = new Uint8Array(this.rowLength);
    let at = 0;
    for (let from = 0; from < data.length; from += 4) {
      for (const place of places) {
        const value = data[from + place];
        if (this.depth === 16) row[at++] = value >> 8;
        row[at++] = value & 255;
      }
    }
    return row;
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
      if (length > 0) this.parts.push(new Blob([chunk("IDAT", joined(pending))]));
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

function chunk(type: string, content: Uint8Array): Bytes {
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
