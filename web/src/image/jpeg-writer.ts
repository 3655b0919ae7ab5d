// Writes baseline JPEG files row by row, without subsampling: https://www.w3.org/Graphics/JPEG/itu-t81.pdf.
//
// It computes what libjpeg does with its default, most accurate arithmetic (jccolor.c, jfdctint.c, jcdctmgr.c), so that
// the page's files decode to the command line's values. Of the encoders that npm has, a canvas and mozjpeg change colors
// more, jpeg-js and libjpeg-turbo's builds use other arithmetic, and all take the whole image at once.

import { joined, type Bytes } from "./bytes";
import { CHROMA, HUFFMAN, LUMA, ZIGZAG, type Huffman } from "./jpeg-tables";
import { inDepth, type Kind, type Pixels } from "./pixels";
import type { Writer } from "./writer";

const PROFILE_PART = 65519; // bytes of a profile in one segment
const LONGEST = 65533; // bytes of a segment
const PIECE = 2 ** 18;

export class JpegWriter implements Writer {
  private readonly parts: Blob[] = [];
  private readonly bits = new BitWriter((bytes) => this.parts.push(new Blob([bytes])));
  private readonly components: Component[];
  /** Eight rows, of which `filled` are there: the components' values minus 128, to whole blocks. */
  private readonly lines: Int16Array[];
  private readonly stride: number;
  private filled = 0;

  constructor(
    private readonly width: number,
    height: number,
    private readonly kind: Kind,
    quality: number,
  ) {
    this.stride = 8 * Math.ceil(width / 8);
    const [luma, chroma] = [LUMA, CHROMA].map((table) => quantized(table, quality));
    this.components = [new Component(luma, 0)];
    if (!kind.gray) this.components.push(new Component(chroma, 1), new Component(chroma, 1));
    this.lines = this.components.map(() => new Int16Array(8 * this.stride));
    this.parts.push(new Blob(head(width, height, kind, kind.gray ? [luma] : [luma, chroma])));
  }

  async append(strip: Pixels): Promise<void> {
    const { width } = this;
    const { data, height } = inDepth(strip, 8);
    for (let y = 0; y < height; y++) {
      this.convert(data.subarray(4 * width * y, 4 * width * (y + 1)));
      if (++this.filled === 8) this.encode();
    }
  }

  async finish(): Promise<Blob> {
    if (this.filled > 0) {
      for (const line of this.lines) {
        const last = line.slice((this.filled - 1) * this.stride, this.filled * this.stride);
        for (let y = this.filled; y < 8; y++) line.set(last, y * this.stride);
      }
      this.encode();
    }
    this.bits.finish();
    return new Blob([...this.parts, Uint8Array.of(0xff, 0xd9)], { type: "image/jpeg" });
  }

  /** Adds a row, as YCbCr. */
  private convert(row: Uint8ClampedArray): void {
    const [luma, blue, red] = this.lines;
    const start = this.filled * this.stride;
    for (let x = 0, from = 0; x < this.width; x++, from += 4) {
      const at = start + x;
      const [r, g, b] = [row[from], row[from + 1], row[from + 2]];
      if (this.kind.gray) {
        luma[at] = r - 128;
        continue;
      }
      luma[at] = ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16) - 128;
      blue[at] = ((-11059 * r - 21709 * g + 32768 * b + 8421375) >> 16) - 128;
      red[at] = ((32768 * r - 27439 * g - 5329 * b + 8421375) >> 16) - 128;
    }
    for (const line of this.lines) line.fill(line[start + this.width - 1], start + this.width, start + this.stride);
  }

  private encode(): void {
    for (let x = 0; x < this.stride; x += 8) {
      for (const [i, component] of this.components.entries())
        component.encode(this.lines[i], x, this.stride, this.bits);
    }
    this.filled = 0;
  }
}

/** Encodes the blocks of one component. */
class Component {
  private readonly block = new Int32Array(64);
  private readonly stored = new Int32Array(64);
  private readonly dc: Codes;
  private readonly ac: Codes;
  private last = 0;

  constructor(
    private readonly table: number[],
    tables: number,
  ) {
    this.dc = new Codes(HUFFMAN[tables].dc);
    this.ac = new Codes(HUFFMAN[tables].ac);
  }

  encode(line: Int16Array, x: number, stride: number, bits: BitWriter): void {
    const { block, stored, table, dc, ac } = this;
    for (let y = 0, at = 0; y < 8; y++) for (let i = x + y * stride; i < x + y * stride + 8; i++) block[at++] = line[i];
    transform(block);
    for (let k = 0; k < 64; k++) {
      const step = table[ZIGZAG[k]] << 3;
      const value = block[ZIGZAG[k]];
      const size = Math.floor((Math.abs(value) + (step >> 1)) / step);
      stored[k] = value < 0 ? -size : size;
    }
    put(stored[0] - this.last, 0, dc, bits);
    this.last = stored[0];
    let zeros = 0;
    for (let k = 1; k < 64; k++) {
      if (stored[k] === 0) {
        zeros++;
        continue;
      }
      for (; zeros > 15; zeros -= 16) bits.put(ac.codes[0xf0], ac.lengths[0xf0]);
      put(stored[k], zeros, ac, bits);
      zeros = 0;
    }
    if (zeros > 0) bits.put(ac.codes[0], ac.lengths[0]);
  }
}

/** Writes a number: the Huffman code of the zeros before it and its length, then its bits. */
function put(value: number, zeros: number, { codes, lengths }: Codes, bits: BitWriter): void {
  const size = 32 - Math.clz32(Math.abs(value));
  bits.put(codes[16 * zeros + size], lengths[16 * zeros + size]);
  if (size > 0) bits.put(value < 0 ? value + (1 << size) - 1 : value, size);
}

/** The codes of a Huffman table, by value. */
class Codes {
  readonly codes = new Uint16Array(256);
  readonly lengths = new Uint8Array(256);

  constructor({ counts, values }: Huffman) {
    const symbols = hex(values);
    let [code, at] = [0, 0];
    for (const [i, count] of hex(counts).entries()) {
      for (let n = 0; n < count; n++, at++, code++) {
        this.codes[symbols[at]] = code;
        this.lengths[symbols[at]] = i + 1;
      }
      code <<= 1;
    }
  }
}

class BitWriter {
  private readonly bytes = new Uint8Array(PIECE);
  private length = 0;
  private pending = 0;
  private count = 0;

  constructor(private readonly flush: (bytes: Bytes) => void) {}

  put(code: number, length: number): void {
    this.pending = (this.pending << length) | code;
    this.count += length;
    while (this.count >= 8) {
      this.count -= 8;
      const byte = (this.pending >> this.count) & 255;
      this.push(byte);
      if (byte === 255) this.push(0);
    }
    this.pending &= (1 << this.count) - 1;
  }

  finish(): void {
    if (this.count > 0) this.put((1 << (8 - this.count)) - 1, 8 - this.count);
    this.flush(this.bytes.slice(0, this.length));
  }

  private push(byte: number): void {
    if (this.length === PIECE) {
      this.flush(this.bytes.slice());
      this.length = 0;
    }
    this.bytes[this.length++] = byte;
  }
}

/** The discrete cosine transform of a block, times 8, in libjpeg's integers of 13 bits. */
function transform(block: Int32Array): void {
  for (let y = 0; y < 64; y += 8) transformLine(block, y, 1, -2);
  for (let x = 0; x < 8; x++) transformLine(block, x, 8, 2);
}

/** Transforms eight values that are `step` apart, and divides the result by 2 ** `shift`. */
function transformLine(block: Int32Array, at: number, step: number, shift: number): void {
  const d = (i: number) => block[at + i * step];
  const [s0, s1, s2, s3] = [d(0) + d(7), d(1) + d(6), d(2) + d(5), d(3) + d(4)];
  const [t7, t6, t5, t4] = [d(0) - d(7), d(1) - d(6), d(2) - d(5), d(3) - d(4)];
  const [a, b, c, e] = [s0 + s3, s0 - s3, s1 + s2, s1 - s2];
  const half = 1 << (shift - 1);
  block[at] = shift < 0 ? (a + c) << -shift : (a + c + half) >> shift;
  block[at + 4 * step] = shift < 0 ? (a - c) << -shift : (a - c + half) >> shift;
  const bits = 13 + shift;
  const round = 1 << (bits - 1);
  const even = (e + b) * 4433;
  block[at + 2 * step] = (even + b * 6270 + round) >> bits;
  block[at + 6 * step] = (even - e * 15137 + round) >> bits;
  const z5 = (t4 + t6 + t5 + t7) * 9633;
  const z1 = (t4 + t7) * -7373;
  const z2 = (t5 + t6) * -20995;
  const z3 = (t4 + t6) * -16069 + z5;
  const z4 = (t5 + t7) * -3196 + z5;
  block[at + 7 * step] = (t4 * 2446 + z1 + z3 + round) >> bits;
  block[at + 5 * step] = (t5 * 16819 + z2 + z4 + round) >> bits;
  block[at + 3 * step] = (t6 * 25172 + z2 + z3 + round) >> bits;
  block[at + step] = (t7 * 12299 + z1 + z4 + round) >> bits;
}

/** Returns a quantization table for a quality, as libjpeg scales it. */
function quantized(table: number[], quality: number): number[] {
  const percent = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
  return table.map((value) => Math.min(Math.max(Math.floor((value * percent + 50) / 100), 1), 255));
}

/** Everything before the blocks: JFIF, EXIF, the profile, and the tables. */
function head(width: number, height: number, kind: Kind, tables: number[][]): Bytes[] {
  const parts: Bytes[] = [Uint8Array.of(0xff, 0xd8), segment(0xe0, hex("4a46494600010100000100010000"))];
  if (kind.exif && kind.exif.length + 6 <= LONGEST) parts.push(segment(0xe1, hex("457869660000"), kind.exif));
  const { profile = new Uint8Array() } = kind;
  const count = Math.ceil(profile.length / PROFILE_PART);
  for (let i = 0; i < count && count < 256; i++) {
    const part = profile.subarray(i * PROFILE_PART, (i + 1) * PROFILE_PART);
    parts.push(segment(0xe2, new TextEncoder().encode("ICC_PROFILE\0"), Uint8Array.of(i + 1, count), part));
  }
  tables.forEach((table, i) => {
    parts.push(
      segment(
        0xdb,
        Uint8Array.of(i),
        Uint8Array.from(ZIGZAG, (place) => table[place]),
      ),
    );
  });
  const components = kind.gray ? [1] : [1, 2, 3];
  const size = [8, height >> 8, height & 255, width >> 8, width & 255, components.length];
  parts.push(segment(0xc0, Uint8Array.from([...size, ...components.flatMap((id) => [id, 0x11, id > 1 ? 1 : 0])])));
  HUFFMAN.slice(0, tables.length).forEach(({ dc, ac }, i) => {
    parts.push(segment(0xc4, Uint8Array.of(i), hex(dc.counts), hex(dc.values)));
    parts.push(segment(0xc4, Uint8Array.of(16 + i), hex(ac.counts), hex(ac.values)));
  });
  const scan = [components.length, ...components.flatMap((id) => [id, id > 1 ? 0x11 : 0]), 0, 63, 0];
  return [...parts, segment(0xda, Uint8Array.from(scan))];
}

function segment(marker: number, ...contents: Uint8Array[]): Bytes {
  const content = joined(contents);
  const length = content.length + 2;
  return joined([Uint8Array.of(0xff, marker, length >> 8, length & 255), content]);
}

function hex(digits: string): Bytes {
  return Uint8Array.from(digits.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}
