// Limits the size of images to what browsers can hold and show.

import type { Size } from "./pixels";
import { Refusal } from "./refusal";

const MAX_PIXELS = 64e6; // of an image and of a result; 256 MB for each side of the comparison
const MAX_SIDE = 16384; // larger canvases can't be drawn

/** Pixels of a result above which the page frees memory before it takes more. */
export const LARGE = 24e6;

/** Throws a `Refusal` if the image or its result would be too large. */
export function checkSize(image: Size, result: Size): void {
  const fits = [image, result].every(
    ({ width, height }) => width * height <= MAX_PIXELS && width <= MAX_SIDE && height <= MAX_SIDE,
  );
  if (fits) return;
  throw new Refusal("file.large", {
    width: image.width,
    height: image.height,
    newWidth: result.width,
    newHeight: result.height,
    megapixels: MAX_PIXELS / 1e6,
    side: MAX_SIDE,
  });
}
