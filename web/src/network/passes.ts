// Runs an image through the networks of its route, and resizes the result if it has to have another size: as
// `Upscaler._strips` in `wdsr_tf/inference/upscaler.py`. Between networks, values have 16 bits.

import { bleed } from "../image/alpha";
import { inDepth, type Depth, type Kind, type Pixels } from "../image/pixels";
import { collected, resized, resizedStrips } from "../image/resize";
import { workOf, type Network } from "./routes";
import { upscale, type Piece, type Run } from "./upscale";

export interface Job {
  image: Pixels;
  kind: Kind;
  networks: Network[];
  width: number;
  height: number;
  depth: Depth;
  open(network: Network): Promise<Run>;
}

/** What is told while it runs: rectangles of the result, and the fraction of the work that is done, 0 to 1. */
export interface Watch {
  /** It goes on when the promise is kept. */
  piece(piece: Piece): Promise<void>;
  progress(done: number): void;
}

/** Yields the result from top to bottom. */
export async function* upscaled(job: Job, watch: Watch): AsyncGenerator<Pixels> {
  const { kind, networks, width, height, depth } = job;
  const total = workOf(job.image, networks);
  let { image } = job;
  let done = 0;
  for (const [i, network] of networks.entries()) {
    const before = done;
    const work = workOf(image, [network]);
    done += work;
    const result = { width: image.width * network.scale, height: image.height * network.scale };
    const last = i === networks.length - 1;
    const exact = last && result.width === width && result.height === height;
    const run = await job.open(network);
    const strips = upscale(image, kind, network, run, exact ? depth : 16, async (piece, part) => {
      watch.progress((before + part * work) / total);
      if (exact) await watch.piece(piece);
    });
    if (exact) yield* strips;
    else if (last) yield* shown(resizedStrips(strips, result, job, depth), watch);
    else image = await collected(strips, result.width, result.height, 16);
  }
  if (networks.length > 0) return;
  if (kind.alpha) bleed(image);
  yield* shown(resized(image, width, height, depth), watch);
  watch.progress(1);
}

/** Passes strips on, and shows them. */
async function* shown(strips: Iterable<Pixels> | AsyncIterable<Pixels>, watch: Watch): AsyncGenerator<Pixels> {
  let y = 0;
  for await (const strip of strips) {
    const copy = inDepth(strip, 8);
    await watch.piece({ x: 0, y, pixels: copy === strip ? { ...copy, data: copy.data.slice() } : copy });
    y += strip.height;
    yield strip;
  }
}
