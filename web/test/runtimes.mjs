// Runs a model in Chromium with ONNX Runtime or LiteRT, both with threads, for `benchmarks/web_runtimes.py`.
//
// node web/test/runtimes.mjs FOLDER MODEL TILE THREADS, where FOLDER has MODEL.onnx, MODEL.tflite, and lr.f32.
// For each line "onnx" or "litert" on standard input, prints the seconds of one run; for "onnx FILE", also writes sr to it.

import { createServer } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [folder, model, tile, threads] = process.argv.slice(2);
const modules = dirname(dirname(createRequire(import.meta.url).resolve("playwright-core/package.json")));
const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };

const PAGE = `<!doctype html>
<script type="importmap">
  { "imports": {
    "onnxruntime-web": "/modules/onnxruntime-web/dist/ort.wasm.min.mjs",
    "@litertjs/core": "/modules/@litertjs/core/dist/index.js",
    "@litertjs/wasm-utils": "/modules/@litertjs/wasm-utils/dist/index.js"
  } }
</script>
<script type="module">
  const bytes = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());
  const lr = new Float32Array((await bytes("lr.f32")).buffer);
  const dims = [1, ${tile}, ${tile}, 3];
  const open = {
    async onnx() {
      const ort = await import("onnxruntime-web");
      ort.env.wasm.wasmPaths = "/modules/onnxruntime-web/dist/";
      ort.env.wasm.numThreads = ${threads};
      const session = await ort.InferenceSession.create(await bytes("${model}.onnx"), { executionProviders: ["wasm"] });
      return async () => (await session.run({ lr: new ort.Tensor("float32", lr, dims) })).sr.data;
    },
    async litert() {
      const { loadAndCompile, loadLiteRt, Tensor } = await import("@litertjs/core");
      await loadLiteRt("/modules/@litertjs/core/wasm/", { threads: true });
      const cpuOptions = { numThreads: ${threads} };
      const network = await loadAndCompile(await bytes("${model}.tflite"), { accelerator: "wasm", cpuOptions });
      return async () => {
        const given = new Tensor(lr, dims);
        const [sr] = await network.run(given);
        const values = sr.toTypedArray().slice();
        given.delete();
        sr.delete();
        return values;
      };
    },
  };
  const runs = {};
  window.run = async (name, wanted) => {
    runs[name] ??= await open[name]();
    const start = performance.now();
    const sr = await runs[name]();
    const seconds = (performance.now() - start) / 1000;
    if (!wanted) return { seconds };
    const blob = new Blob([sr]);
    const url = await new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(blob);
    });
    return { seconds, sr: url.slice(url.indexOf(",") + 1) };
  };
</script>`;

const server = createServer(async ({ url }, response) => {
  const path = new URL(url, "http://host").pathname;
  const file = path.startsWith("/modules/") ? join(modules, path.slice(9)) : join(folder, path);
  const content = path === "/" ? PAGE : await readFile(file).catch(() => undefined);
  response.writeHead(content ? 200 : 404, {
    "Content-Type": path === "/" ? "text/html" : (TYPES[extname(path)] ?? "application/octet-stream"),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
  response.end(content);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"],
});
const page = await browser.newPage();
page.on("pageerror", (error) => console.error(String(error)));
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.waitForFunction(() => "run" in window);

for await (const line of createInterface({ input: process.stdin })) {
  const [name, path] = line.split(" ");
  const { seconds, sr } = await page.evaluate(([name, wanted]) => window.run(name, wanted), [name, Boolean(path)]);
  if (path) await writeFile(path, Buffer.from(sr, "base64"));
  console.log(seconds);
}
await browser.close();
server.close();
