import { defineConfig } from "vitest/config";
import { licenses } from "./plugins/licenses.ts";
import { offline } from "./plugins/offline.ts";
import { HEADERS } from "./src/offline/headers.ts";

export default defineConfig({
  base: "./",
  appType: "mpa",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  worker: { format: "es" },
  plugins: [licenses(import.meta.dirname), offline()],
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["index.html", "licenses.html"] },
  },
  preview: { headers: HEADERS },
  test: {
    include: ["test/*.test.ts"],
    maxWorkers: 2, // files at once: while one waits for Python or loads the page, the other computes
    // For busy machines; normally a test takes seconds.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
