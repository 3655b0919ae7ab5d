// What the result is compared with: the image, resized by bicubic interpolation, and its own pixels.

import { bleed } from "../image/alpha";
import { decode } from "../image/decode";
import { readHeader } from "../image/header";
import { checkSize } from "../image/limits";
import { inDepth } from "../image/pixels";
import { resized } from "../image/resize";
import type { Compared, Comparison } from "./messages";

self.onmessage = async ({ data: { file, width, height } }: MessageEvent<Comparison>) => {
  const header = await readHeader(file);
  checkSize(header, { width, height });
  const { pixels, kind } = await decode(file, header);
  const image = inDepth(pixels, 8);
  if (kind.alpha) bleed(image);
  let y = 0;
  for (const strip of resized(image, width, height, 8)) {
    send({ type: "rows", y, pixels: inDepth(strip, 8) });
    y += strip.height;
  }
  send({ type: "original", pixels: image });
};

/** The worker doesn't keep the pixels. */
function send(compared: Compared): void {
  self.postMessage(compared, { transfer: [compared.pixels.data.buffer] });
}
