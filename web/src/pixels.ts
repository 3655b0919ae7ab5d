/** A picture in memory, row by row: red, green, blue and opacity; colors are not multiplied by opacity. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** What the picture's file says of it and the result has to keep. */
export interface Kind {
  /** Written with one color value a pixel. */
  gray: boolean;
  /** Written with opacity. */
  alpha: boolean;
  /** The color profile (ICC), as it is. */
  profile?: Uint8Array<ArrayBuffer>;
}
