// Upscales one image after another. To stop it, the page terminates the worker and starts a new one.

import { decode } from "./decode";
import { upscale } from "./upscale";
import { readHeader, Refusal } from "./header";
import { checkSize } from "./limits";
import type { Order, Report } from "./messages";
import { PngWriter } from "./png";
import { Runtime } from "./runtime";

const TILE_PIXELS = 2 ** 16; // 256 x 256: less than 1 GB, and at most a few seconds per tile

let runtime: Runtime | undefined;

self.onmessage = async ({ data: order }: MessageEvent<Order>) => {
  const start = performance.now();
  try {
    const result = await work(order);
    report({ type: "finished", result, seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    if (error instanceof Refusal) report({ type: "refused", message: { key: error.key, values: error.values } });
    else report({ type: "failed", error: String(error) });
  }
};

async function work({ file, network, engine }: Order): Promise<Blob> {
  const { scale, receptiveField, url } = network;
  const header = await readHeader(file);
  checkSize(header, scale);
  if (runtime?.engine !== engine) runtime = new Runtime(engine);
  const opening = runtime.open(url);
  opening.catch(() => {}); // awaited below, unless decoding fails first
  const { pixels: image, kind } = await decode(file, header);
  const [width, height] = [image.width * scale, image.height * scale];
  report({ type: "started", width, height });
  const run = await opening;
  const writer = await PngWriter.open(width, height, kind);
  const strips = upscale({ image, kind, scale, receptiveField, tilePixels: TILE_PIXELS, run }, (piece) =>
    report({ type: "piece", piece }, [piece.pixels.data.buffer]),
  );
  for await (const strip of strips) await writer.append(strip.data);
  return writer.finish();
}

function report(message: Report, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}
