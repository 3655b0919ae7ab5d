// Which networks run for an image, in which order, and how large it gets: as `wdsr_tf/inference/routing.py` and
// `size.py`, whose choices `web/networks.py` wrote down.

import type { Message } from "../i18n";
import { rounded, type Size } from "../image/pixels";

export const MAX_FACTOR = 64;

/** What tiling has to know about a network (`wdsr_tf/receptive_field.py`). */
export interface ReceptiveField {
  /** LR pixels that an output pixel sees beyond its own. */
  radius: number;
  /** Tiles start at multiples of this many LR pixels. */
  multiple: number;
  /** Whether the output also depends on means over the whole image. */
  global_mean: boolean;
  /** Estimated memory for each LR pixel of a tile. */
  bytes_per_pixel: number;
}

export interface Network {
  name: string;
  scale: number;
  receptiveField: ReceptiveField;
  /** Multiply-adds per pixel of the image. */
  work: number;
  /** The ONNX file: one of the page's, or the user's own. */
  source: string | Blob;
  /** What it takes and returns, if not RGB in 0..255, NHWC, float32. */
  form: { planar: boolean; white: number; bytes: boolean };
}

export const USUAL_FORM: Network["form"] = { planar: false, white: 255, bytes: false };

/** The networks to run for a factor: those of the first entry whose `up_to` isn't smaller. */
export type Table = { up_to: number; models: string[] }[];

/** What `routing.routes` returns. */
export interface Routes {
  /** The scale to begin with. */
  scale: number;
  /** The JPEG quality below which the routes of `jpeg` are used. */
  jpeg_below: number;
  /** The level of noise that the routes of `denoise` remove, or `null`. */
  noise: number | null;
  clean: Table;
  jpeg: Table;
  denoise: Table;
}

/** A choice for the user. */
export interface Method {
  /** Its name in links. */
  id: string;
  title: Message;
  hint: Message;
  routes: Routes;
  networks: Record<string, Network>;
}

/** How large images get: a factor, or a width in pixels. */
export type Wish = { factor: number } | { width: number };

/** What decides about a result, besides the image. */
export interface Request {
  method: Method;
  wish: Wish;
  denoise: boolean;
}

/** Returns the size that an image gets. */
export function sizeOf({ width, height }: Size, wish: Wish): Size {
  if ("width" in wish) return { width: wish.width, height: Math.max(1, rounded((height * wish.width) / width)) };
  const [w, h] = [width, height].map((length) => Math.max(1, rounded(length * wish.factor)));
  return { width: w, height: h };
}

/** Returns the networks that an image runs through; the last result is resized if it doesn't have the size. */
export function routeOf(image: Size & { quality?: number }, { method, wish, denoise }: Request): Network[] {
  const { routes, networks } = method;
  const size = sizeOf(image, wish);
  const factor = Math.max(size.width / image.width, size.height / image.height);
  const noisy = image.quality !== undefined && image.quality < routes.jpeg_below;
  const table = denoise && routes.noise !== null ? routes.denoise : noisy ? routes.jpeg : routes.clean;
  const entry = table.find(({ up_to }) => factor <= up_to) ?? table.at(-1)!;
  return entry.models.map((name) => networks[name]);
}

/** Returns the multiply-adds for an image. */
export function workOf({ width, height }: Size, networks: Network[]): number {
  let [pixels, work] = [width * height, 0];
  for (const network of networks) {
    work += pixels * network.work;
    pixels *= network.scale ** 2;
  }
  return work;
}
