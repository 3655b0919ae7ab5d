// How large a picture may be: what a browser can hold and show.

import { Refusal } from "./header";

const MOST_PIXELS = 64e6; // of a result: 256 MB for each side of the comparison
const LONGEST_SIDE = 16384; // that browsers draw

/** Raises a `Refusal` where a picture of that size would become too large. */
export function checkSize({ width, height }: { width: number; height: number }, scale: number): void {
  const pixels = width * height * scale ** 2;
  if (pixels <= MOST_PIXELS && scale * Math.max(width, height) <= LONGEST_SIDE) return;
  throw new Refusal(
    `This picture is too large: ${width} × ${height} pixels would become ${width * scale} × ${height * scale}. ` +
      `The result can have up to ${MOST_PIXELS / 1e6} megapixels, and ${LONGEST_SIDE} pixels on its longer side.`,
  );
}
