// Limits the size of images to what browsers can hold and show.

import { Refusal } from "./header";

const MAX_PIXELS = 64e6; // of a result; 256 MB for each side of the comparison
const MAX_SIDE = 16384; // larger canvases can't be drawn

/** Throws a `Refusal` if the result would be too large. */
export function checkSize({ width, height }: { width: number; height: number }, scale: number): void {
  const pixels = width * height * scale ** 2;
  if (pixels <= MAX_PIXELS && scale * Math.max(width, height) <= MAX_SIDE) return;
  throw new Refusal(
    `This image is too large: ${width} × ${height} pixels would become ${width * scale} × ${height * scale}. ` +
      `The result can have up to ${MAX_PIXELS / 1e6} megapixels, and ${MAX_SIDE} pixels on its longer side.`,
  );
}
