import { defineConfig } from "vitest/config";

// What the page may load: its own files. A server should send the policy for its workers, too.
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:; object-src 'none'";

export default defineConfig({
  base: "./",
  appType: "mpa",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  worker: { format: "es" },
  build: { target: "es2023", assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
  preview: {
    headers: {
      // The two that let WebAssembly use several threads.
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Content-Security-Policy": POLICY,
    },
  },
  test: {
    include: ["test/*.test.ts"],
    fileParallelism: false,
    // Of a busy machine: on a quiet one a test takes seconds.
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
