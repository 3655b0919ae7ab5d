// Opens a writer for the format of the result.

import { JpegWriter } from "./jpeg-writer";
import type { Depth, Kind, Pixels } from "./pixels";
import { PngWriter } from "./png-writer";
import { Refusal } from "./refusal";
import { WebpWriter } from "./webp-writer";

export type Format = "png" | "jpeg" | "webp";

/** How to store a result; WebP without a quality is lossless, as PNG always is. */
export interface Output {
  format: Format;
  /** 1 to 100. */
  quality?: number;
}

/** Takes the strips of an image from top to bottom. */
export interface Writer {
  append(strip: Pixels): Promise<void>;
  /** Returns the file. */
  finish(): Promise<Blob>;
}

export const SUFFIXES: Record<Format, string> = { png: "png", jpeg: "jpg", webp: "webp" };
export const JPEG_QUALITY = 95; // as in wdsr_tf/images/formats.py

/** Whether the format holds 16 bits. */
export function depthFor({ format }: Output, depth: Depth): Depth {
  return format === "png" ? depth : 8;
}

/** Throws a `Refusal` if the format can't hold the image. */
export function openWriter(
  { format, quality }: Output,
  width: number,
  height: number,
  kind: Kind,
  depth: Depth,
): Writer | Promise<Writer> {
  if (format === "png") return PngWriter.open(width, height, kind, depth);
  if (format === "webp") return new WebpWriter(width, height, kind, quality);
  if (kind.alpha) throw new Refusal("file.transparent");
  return new JpegWriter(width, height, kind, quality ?? JPEG_QUALITY);
}
