// Messages between the page and its workers.

import type { Message } from "./i18n";
import type { Piece } from "./upscale";
import type { Pixels } from "./pixels";
import type { ReceptiveField } from "./tiling";
import type { Engine } from "./engine";

/** To the upscaling worker. */
export interface Order {
  file: Blob;
  network: { url: string; scale: number; receptiveField: ReceptiveField };
  engine: Engine;
}

/** From the upscaling worker. `seconds` is the time since the order. */
export type Report =
  | { type: "started"; width: number; height: number }
  | { type: "piece"; piece: Piece }
  | { type: "finished"; result: Blob; seconds: number }
  | { type: "refused"; message: Message }
  | { type: "failed"; error: string };

/** To the bicubic worker. */
export interface Comparison {
  file: Blob;
  scale: number;
}

/** From the bicubic worker: the rows from `y` on. */
export interface Rows {
  y: number;
  pixels: Pixels;
}
