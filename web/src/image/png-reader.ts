// Decodes PNG files of 16 bits, of which browsers keep 8.

import { decode } from "fast-png";
import { inflate } from "./bytes";
import { pngChunks, type Chunk } from "./chunks";
import type { Header } from "./header";
import { blank, type Pixels } from "./pixels";
import { Refusal } from "./refusal";

const NEEDED = ["IHDR", "tRNS", "IDAT", "IEND"]; // fast-png would also inflate profiles and texts, of any size

/** Decodes all 16 bits; throws a `Refusal` if the file is damaged, or inflates to more than its size says. */
export async function decodeDeepPng(file: Blob, { width, height }: Header): Promise<Pixels> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const chunks = [...pngChunks(bytes)];
  try {
    await checkInflation(
      chunks.filter(({ type }) => type === "IDAT"),
      width,
      height,
    );
    const parts = [
      bytes.subarray(0, 8),
      ...chunks.filter(({ type }) => NEEDED.includes(type)).map(({ from, to }) => bytes.subarray(from, to)),
    ];
    const image = decode(await new Blob(parts).arrayBuffer(), { checkCrc: true });
    return pixelsOf(image.width, image.height, image.channels, image.data as Uint16Array, image.transparency);
  } catch {
    throw new Refusal("file.damaged");
  }
}

async function checkInflation(chunks: Chunk[], width: number, height: number): Promise<void> {
  const rows = 2 * (width + height) + 64; // filter types, also of Adam7's passes
  const packed = new Blob(chunks.map(({ content }) => content));
  for await (const _ of inflate(packed, 8 * width * height + rows)) continue;
}

function pixelsOf(width: number, height: number, channels: number, data: Uint16Array, key?: Uint16Array): Pixels {
  const image = blank(width, height, 16);
  const color = channels > 2 ? 1 : 0; // from one color to the next
  const colors = channels > 2 ? 3 : 1;
  for (let i = 0, from = 0; i < image.data.length; i += 4, from += channels) {
    for (let c = 0; c < 3; c++) image.data[i + c] = data[from + c * color];
    const hidden = key?.length === colors && key.every((value, c) => value === data[from + c]);
    image.data[i + 3] = colors < channels ? data[from + colors] : hidden ? 0 : 65535;
  }
  return image;
}
