/** An image in memory, row by row: red, green, blue and alpha, not premultiplied. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** Properties of the file that the result keeps. */
export interface Kind {
  /** One color value per pixel. */
  gray: boolean;
  /** With transparency. */
  alpha: boolean;
  /** The ICC color profile, unchanged. */
  profile?: Uint8Array<ArrayBuffer>;
}
