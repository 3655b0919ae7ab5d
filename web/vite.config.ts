import { defineConfig } from "vitest/config";

// The page may load only its own files. Servers should send this policy, too, because it then applies to workers.
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:; object-src 'none'";

export default defineConfig({
  base: "./",
  appType: "mpa",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  worker: { format: "es" },
  build: { target: "es2023", assetsInlineLimit: 0, chunkSizeWarningLimit: 1000 },
  preview: {
    headers: {
      // These two allow WebAssembly to use several threads.
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Content-Security-Policy": POLICY,
    },
  },
  test: {
    include: ["test/*.test.ts"],
    fileParallelism: false,
    // For busy machines; normally a test takes seconds.
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
