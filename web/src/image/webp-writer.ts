// Writes WebP files with libwebp, as the command line does; a canvas would change colors under transparency.

import libwebp from "@jsquash/webp/codec/enc/webp_enc_simd.js"; // every browser that runs the networks has SIMD
import { defaultOptions } from "@jsquash/webp/meta.js";
import type { WebPModule } from "@jsquash/webp/codec/enc/webp_enc";
import { initEmscriptenModule } from "@jsquash/webp/utils.js";
import { beginsWith, joined, type Bytes } from "./bytes";
import { webpChunks } from "./chunks";
import { blank, inDepth, type Kind, type Pixels, type Shallow } from "./pixels";
import { Refusal } from "./refusal";
import type { Writer } from "./writer";

export const MAX_SIDE = 16383;

/** Collects the image, which libwebp needs as a whole. */
export class WebpWriter implements Writer {
  private readonly image: Pixels<Shallow>;
  private at = 0;

  /** Without a quality, the file is lossless. */
  constructor(
    width: number,
    height: number,
    private readonly kind: Kind,
    private readonly quality?: number,
  ) {
    if (Math.max(width, height) > MAX_SIDE) {
      throw new Refusal("file.side", { format: "WebP", width, height, side: MAX_SIDE });
    }
    this.image = blank(width, height, 8);
  }

  async append(strip: Pixels): Promise<void> {
    const { data } = inDepth(strip, 8);
    this.image.data.set(data, this.at);
    this.at += data.length;
  }

  async finish(): Promise<Blob> {
    const { width, height, data } = this.image;
    const options = this.quality === undefined ? { lossless: 1, exact: 1, quality: 80 } : { quality: this.quality };
    let encoded: Bytes | null;
    try {
      const { encode } = await (library ??= initEmscriptenModule(libwebp));
      encoded = encode(data, width, height, { ...defaultOptions, ...options }) as Bytes | null;
    } catch {
      encoded = null;
    }
    if (!encoded) throw new Refusal("file.webp", { width, height });
    return new Blob(withMetadata(encoded, width, height, this.kind), { type: "image/webp" });
  }
}

let library: ReturnType<typeof initEmscriptenModule<WebPModule>> | undefined;

/** Returns the file with profile and EXIF, for which it needs the extended header. */
function withMetadata(encoded: Bytes, width: number, height: number, { profile, exif }: Kind): Bytes[] {
  const color = profile && beginsWith(profile.subarray(16), "RGB ") ? profile : undefined; // WebP has no gray images
  if (!color && !exif) return [encoded];
  const chunks = [...webpChunks(encoded)].filter(({ type }) => type !== "VP8X");
  const lossless = chunks.find(({ type }) => type === "VP8L");
  const alpha = lossless ? (lossless.content[4] & 0x10) !== 0 : chunks.some(({ type }) => type === "ALPH");
  const extended = new Uint8Array(10);
  extended[0] = (color ? 0x20 : 0) | (alpha ? 0x10 : 0) | (exif ? 0x08 : 0);
  for (let i = 0; i < 3; i++) {
    extended[4 + i] = ((width - 1) >> (8 * i)) & 255;
    extended[7 + i] = ((height - 1) >> (8 * i)) & 255;
  }
  const parts = [chunk("VP8X", extended)];
  if (color) parts.push(chunk("ICCP", color));
  parts.push(...chunks.map(({ from, to }) => encoded.subarray(from, to)));
  if (exif) parts.push(chunk("EXIF", exif));
  const riff = new DataView(new ArrayBuffer(12));
  riff.setUint32(0, 0x52494646);
  riff.setUint32(4, 4 + parts.reduce((size, part) => size + part.length, 0), true);
  riff.setUint32(8, 0x57454250);
  return [new Uint8Array(riff.buffer), ...parts];
}

function chunk(type: string, content: Uint8Array): Bytes {
  const head = new Uint8Array(8);
  for (let i = 0; i < 4; i++) head[i] = type.charCodeAt(i);
  new DataView(head.buffer).setUint32(4, content.length, true);
  return joined([head, content, new Uint8Array(content.length % 2)]);
}
