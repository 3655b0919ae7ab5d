// What the page and its workers say to each other.

import type { Piece } from "./enlarge";
import type { Pixels } from "./pixels";
import type { Reach } from "./tiling";
import type { Engine } from "./engine";

/** To the worker that enlarges. */
export interface Order {
  file: Blob;
  network: { url: string; scale: number; reach: Reach };
  engine: Engine;
}

/** From it. `seconds` is the time between order and result. */
export type Report =
  | { type: "started"; width: number; height: number }
  | { type: "piece"; piece: Piece }
  | { type: "finished"; result: Blob; seconds: number }
  | { type: "refused"; message: string }
  | { type: "failed"; error: string };

/** To the worker that enlarges by bicubic interpolation, for comparison. */
export interface Comparison {
  file: Blob;
  scale: number;
}

/** From it: rows from `y` on, and whether they were the last. */
export interface Rows {
  y: number;
  pixels: Pixels;
}
