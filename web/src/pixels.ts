/** A picture in memory, row by row: red, green, blue and opacity; colours are not multiplied by opacity. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** What the picture's file says of it and the result has to keep. */
export interface Kind {
  /** Written with one colour value a pixel. */
  grey: boolean;
  /** Written with opacity. */
  alpha: boolean;
  /** The colour profile (ICC), as it is. */
  profile?: Uint8Array<ArrayBuffer>;
}
