/** Red, green, blue and alpha of each pixel, not premultiplied, row by row: 8 bits, or 16. */
export type Shallow = Uint8ClampedArray<ArrayBuffer>;
export type Deep = Uint16Array<ArrayBuffer>;
export type Values = Shallow | Deep;

export interface Size {
  width: number;
  height: number;
}

/** An image in memory. */
export interface Pixels<Data extends Values = Values> extends Size {
  data: Data;
}

/** Properties of the file that the result keeps. */
export interface Kind {
  /** One color value per pixel. */
  gray: boolean;
  /** With transparency. */
  alpha: boolean;
  /** The ICC color profile, unchanged. */
  profile?: Uint8Array<ArrayBuffer>;
  /** EXIF without its prefix, as in the file that was read. */
  exif?: Uint8Array<ArrayBuffer>;
}

export type Depth = 8 | 16;

export function blank(width: number, height: number, depth: 8): Pixels<Shallow>;
export function blank(width: number, height: number, depth: Depth): Pixels;
export function blank(width: number, height: number, depth: Depth): Pixels {
  const length = 4 * width * height;
  return { width, height, data: depth === 8 ? new Uint8ClampedArray(length) : new Uint16Array(length) };
}

/** The value of white: 255 or 65535. */
export function peakOf({ data }: Pixels): number {
  return data.BYTES_PER_ELEMENT === 1 ? 255 : 65535;
}

export function depthOf({ data }: Pixels): Depth {
  return data.BYTES_PER_ELEMENT === 1 ? 8 : 16;
}

/** Returns the image with 8 or 16 bits, rounded half to even; itself if it has them. */
export function inDepth(image: Pixels, depth: 8): Pixels<Shallow>;
export function inDepth(image: Pixels, depth: Depth): Pixels;
export function inDepth(image: Pixels, depth: Depth): Pixels {
  if (depthOf(image) === depth) return image;
  const { width, height, data } = image;
  const result = blank(width, height, depth);
  if (depth === 8)
    for (let i = 0; i < data.length; i++) result.data[i] = data[i] / 257; // rounds
  else for (let i = 0; i < data.length; i++) result.data[i] = data[i] * 257;
  return result;
}

/** Rounds half to even, as NumPy and Python do. */
export function rounded(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}
