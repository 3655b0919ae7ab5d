// What the result is compared with: the image, resized by bicubic interpolation, and its own pixels.

import { bleed } from "../image/alpha";
import { decode } from "../image/decode";
import { readHeader } from "../image/header";
import { checkSize } from "../image/limits";
import { inDepth } from "../image/pixels";
import { resized } from "../image/resize";
import { DRAWN, type Compared, type Comparison } from "./messages";
import { Pace } from "./pace";

const pace = new Pace(4);

self.onmessage = ({ data }: MessageEvent<Comparison | typeof DRAWN>) => {
  if (data === DRAWN) pace.drawn();
  else compare(data);
};

async function compare({ file, width, height }: Comparison): Promise<void> {
  const header = await readHeader(file);
  checkSize(header, { width, height });
  const { pixels, kind } = await decode(file, header);
  const image = inDepth(pixels, 8);
  if (kind.alpha) bleed(image);
  let y = 0;
  for (const strip of resized(image, width, height, 8)) {
    send({ type: "rows", y, pixels: inDepth(strip, 8) });
    y += strip.height;
    await pace.sent();
  }
  send({ type: "original", pixels: image });
}

/** The worker doesn't keep the pixels. */
function send(compared: Compared): void {
  self.postMessage(compared, { transfer: [compared.pixels.data.buffer] });
}
