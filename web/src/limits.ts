// Limits the size of images to what browsers can hold and show.

import { Refusal } from "./header";

const MAX_PIXELS = 64e6; // of a result; 256 MB for each side of the comparison
const MAX_SIDE = 16384; // larger canvases can't be drawn

/** Throws a `Refusal` if the result would be too large. */
export function checkSize({ width, height }: { width: number; height: number }, scale: number): void {
  const pixels = width * height * scale ** 2;
  if (pixels <= MAX_PIXELS && scale * Math.max(width, height) <= MAX_SIDE) return;
  throw new Refusal("file.large", {
    width,
    height,
    newWidth: width * scale,
    newHeight: height * scale,
    megapixels: MAX_PIXELS / 1e6,
    side: MAX_SIDE,
  });
}
