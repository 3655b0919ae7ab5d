// Bicubic upscaling, with which the result is compared.

import { bleed } from "./alpha";
import { Bicubic } from "./bicubic";
import { decode } from "./decode";
import { readHeader } from "./header";
import { checkSize } from "./limits";
import type { Comparison, Rows } from "./messages";

const ROWS = 256; // at a time

self.onmessage = async ({ data: { file, scale } }: MessageEvent<Comparison>) => {
  const header = await readHeader(file);
  checkSize(header, scale);
  const { pixels, kind } = await decode(file, header);
  if (kind.alpha) bleed(pixels);
  const large = new Bicubic(pixels, scale);
  for (let y = 0; y < large.height; y += ROWS) {
    const bottom = Math.min(y + ROWS, large.height);
    const data = large.rows(y, bottom);
    const rows: Rows = { y, pixels: { width: large.width, height: bottom - y, data } };
    self.postMessage(rows, { transfer: [data.buffer] });
  }
};
