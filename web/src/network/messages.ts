// Messages between the page and its workers.

import type { Message } from "../i18n";
import type { Pixels, Shallow } from "../image/pixels";
import type { Output } from "../image/writer";
import type { Engine } from "./engine";
import type { Request } from "./routes";
import type { Piece } from "./upscale";

/** To both workers: pixels that they sent are on the screen, or aren't needed. */
export const DRAWN = "drawn";

/** To the upscaling worker. */
export interface Order {
  file: Blob;
  request: Request;
  output: Output;
  engine: Engine;
}

/** From the upscaling worker. `seconds` is the time since the order. */
export type Report =
  | { type: "started"; width: number; height: number; work: number }
  | { type: "piece"; piece: Piece }
  | { type: "progress"; done: number }
  | { type: "finished"; result: Blob; seconds: number }
  | { type: "refused"; message: Message }
  | { type: "failed"; error: string };

/** To the bicubic worker. */
export interface Comparison {
  file: Blob;
  width: number;
  height: number;
}

/** From the bicubic worker: rows of the bicubic image from `y` on, and at last the image itself. */
export type Compared =
  | { type: "rows"; y: number; pixels: Pixels<Shallow> }
  | { type: "original"; pixels: Pixels<Shallow> };
