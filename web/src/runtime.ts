// Runs networks with ONNX Runtime, in the worker.

import type { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import type { Engine } from "./engine";
import type { Run } from "./upscale";

// The runtime loads these files itself, from the page's folder.
import graphicsModule from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import graphicsWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import processorModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import processorWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

/** Opens networks for one engine, and keeps the last one open. */
export class Runtime {
  private opened?: { url: string; session: InferenceSession; make: typeof Tensor };

  constructor(readonly engine: Engine) {}

  /** Returns a function that runs the network at `url`. */
  async open(url: string): Promise<Run> {
    if (this.opened?.url !== url) {
      await this.opened?.session.release();
      this.opened = undefined;
      const ort = await this.load();
      const session = await ort.InferenceSession.create(url, {
        executionProviders: [this.engine === "graphics" ? "webgpu" : "wasm"],
      });
      this.opened = { url, session, make: ort.Tensor };
    }
    const { session, make } = this.opened;
    return async (tile, height, width) => {
      const lr = new make("float32", tile, [1, height, width, 3]);
      const { sr } = await session.run({ lr });
      const values = (await sr.getData()) as Float32Array;
      sr.dispose();
      return values;
    };
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

function absolute(url: string): string {
  return new URL(url, import.meta.url).href;
}
