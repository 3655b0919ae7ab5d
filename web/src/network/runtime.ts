// Runs networks with ONNX Runtime, in the worker.

import type { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { Refusal } from "../image/refusal";
import type { Engine } from "./engine";
import type { Network } from "./routes";
import type { Run } from "./upscale";

// The runtime loads these files itself, from the page's folder.
import graphicsModule from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import graphicsWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import processorModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import processorWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

/** Opens networks for one engine, and keeps the last one open. */
export class Runtime {
  private opened?: { source: Network["source"]; session: InferenceSession; make: typeof Tensor };

  constructor(readonly engine: Engine) {}

  /** Returns a function that runs the network; throws a `Refusal` if the user's own can't be opened. */
  async open(network: Network): Promise<Run> {
    if (this.opened?.source !== network.source) {
      await this.opened?.session.release();
      this.opened = undefined;
      const ort = await this.load();
      this.opened = { source: network.source, session: await this.start(ort, network), make: ort.Tensor };
    }
    const { session, make } = this.opened;
    return (tile, height, width) => run(session, make, network, tile, height, width);
  }

  private async start(ort: Awaited<ReturnType<Runtime["load"]>>, { source, name }: Network): Promise<InferenceSession> {
    const options = { executionProviders: [this.engine === "graphics" ? "webgpu" : "wasm"] };
    if (typeof source === "string") return ort.InferenceSession.create(source, options);
    const bytes = new Uint8Array(await source.arrayBuffer());
    const session = await ort.InferenceSession.create(bytes, options).catch(() => {
      throw new Refusal("network.damaged", { name });
    });
    if (session.inputNames.join() === "lr" && session.outputNames.join() === "sr") return session;
    await session.release();
    throw new Refusal("network.foreign", { name });
  }

  private async load() {
    const graphics = this.engine === "graphics";
    const ort = graphics ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
    ort.env.logLevel = "error";
    ort.env.wasm.wasmPaths = {
      mjs: absolute(graphics ? graphicsModule : processorModule),
      wasm: absolute(graphics ? graphicsWasm : processorWasm),
    };
    ort.env.wasm.numThreads = this.engine === "graphics" ? 1 : this.engine;
    return ort;
  }
}

/** Runs a tile, RGB in 0..255, through a network that takes and returns its own form. */
async function run(
  session: InferenceSession,
  make: typeof Tensor,
  { name, scale, form }: Network,
  tile: Float32Array,
  height: number,
  width: number,
): Promise<Float32Array> {
  const [dims, tall, wide] = [
    form.planar ? [1, 3, height, width] : [1, height, width, 3],
    height * scale,
    width * scale,
  ];
  if (form.white !== 255) for (let i = 0; i < tile.length; i++) tile[i] *= form.white / 255;
  const given = form.planar ? rearranged(tile, height * width, 3) : tile;
  const lr = form.bytes
    ? new make("uint8", Uint8Array.from(given, Math.round), dims)
    : new make("float32", given, dims);
  const { sr } = await session.run({ lr });
  const data = (await sr.getData()) as Float32Array | Uint8Array;
  const expected = form.planar ? [1, 3, tall, wide] : [1, tall, wide, 3];
  const fits = sr.dims.join() === expected.join() && sr.type === (form.bytes ? "uint8" : "float32");
  sr.dispose();
  if (!fits) throw new Refusal("network.foreign", { name });
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  if (form.white !== 255) for (let i = 0; i < values.length; i++) values[i] *= 255 / form.white;
  return form.planar ? rearranged(values, 3, tall * wide) : values;
}

/** Turns `rows` x `columns` values into `columns` x `rows`. */
function rearranged(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let y = 0, from = 0; y < rows; y++) for (let x = 0; x < columns; x++) result[x * rows + y] = values[from++];
  return result;
}

function absolute(url: string): string {
  return new URL(url, import.meta.url).href;
}
