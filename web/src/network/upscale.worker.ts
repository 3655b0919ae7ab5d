// Upscales one image after another. To stop it, the page terminates the worker and starts a new one.

import { decode, isOpaque } from "../image/decode";
import { exifFor } from "../image/exif";
import { readHeader } from "../image/header";
import { checkSize } from "../image/limits";
import { depthOf } from "../image/pixels";
import { Refusal } from "../image/refusal";
import { depthFor, openWriter } from "../image/writer";
import { DRAWN, type Order, type Report } from "./messages";
import { Pace } from "./pace";
import { upscaled } from "./passes";
import { routeOf, sizeOf, workOf } from "./routes";
import { Runtime } from "./runtime";

let runtime: Runtime | undefined;
const pace = new Pace(16);

self.onmessage = ({ data }: MessageEvent<Order | typeof DRAWN>) => {
  if (data === DRAWN) pace.drawn();
  else obey(data);
};

async function obey(order: Order): Promise<void> {
  const start = performance.now();
  try {
    const result = await work(order);
    report({ type: "finished", result, seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    if (error instanceof Refusal) report({ type: "refused", message: { key: error.key, values: error.values } });
    else report({ type: "failed", error: String(error) });
  }
}

async function work({ file, request, output, engine }: Order): Promise<Blob> {
  const header = await readHeader(file);
  checkSize(header, sizeOf(header, request.wish));
  if (runtime?.engine !== engine) runtime = new Runtime(engine);
  const { pixels: image, kind } = await decode(file, header);
  const { width, height } = sizeOf(image, request.wish);
  checkSize(image, { width, height });
  const networks = routeOf({ ...header, ...image }, request);
  const depth = depthFor(output, depthOf(image));
  if (kind.alpha && output.format === "jpeg") kind.alpha = !isOpaque(image);
  const kept = { ...kind, exif: kind.exif && exifFor(kind.exif, width, height) };
  const writer = await openWriter(output, width, height, kept, depth);
  report({ type: "started", width, height, work: workOf(image, networks) });
  const open = runtime.open.bind(runtime);
  const strips = upscaled(
    { image, kind, networks, width, height, depth, open },
    {
      piece(piece) {
        report({ type: "piece", piece }, [piece.pixels.data.buffer]);
        return pace.sent();
      },
      progress: (done) => report({ type: "progress", done }),
    },
  );
  for await (const strip of strips) await writer.append(strip);
  return writer.finish();
}

function report(message: Report, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}
