// node upscale.mjs NAME.onnx WIDTH HEIGHT FROM.rgb TO.rgb [TILE]: raw RGB bytes. NAME.onnx.json must be beside NAME.onnx.
import { readFile, writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [network, width, height, from, to, tile = 128] = process.argv.slice(2).map((w) => (isNaN(w) ? w : Number(w)));
const { scale, receptive_field: { radius, multiple } } = JSON.parse(await readFile(`${network}.json`, "utf8"));
const session = await ort.InferenceSession.create(await readFile(network));
const lr = await readFile(from);
const sr = new Uint8Array(width * height * 3 * scale ** 2);

// The part of a tile that is kept, [low, high), and its input: `radius` more on each side, within the image.
function* spans(length) {
  const step = Math.max(1, Math.floor((tile - 2 * radius) / multiple)) * multiple;
  for (let low = 0; low < length; low += step) {
    const high = Math.min(length, low + step);
    const start = Math.max(0, Math.floor((low - radius) / multiple) * multiple);
    yield { low, high, start, stop: Math.min(length, high + radius) };
  }
}

for (const y of spans(height))
  for (const x of spans(width)) {
    const rows = y.stop - y.start, columns = x.stop - x.start;
    const values = new Float32Array(rows * columns * 3); // NHWC, RGB, 0..255, as in the file
    for (let row = 0; row < rows; row++) {
      const first = ((y.start + row) * width + x.start) * 3;
      values.set(lr.subarray(first, first + columns * 3), row * columns * 3);
    }
    const feed = { lr: new ort.Tensor("float32", values, [1, rows, columns, 3]) };
    const { data } = (await session.run(feed)).sr;
    for (let row = y.low * scale; row < y.high * scale; row++)
      for (let i = x.low * scale * 3; i < x.high * scale * 3; i++) {
        const value = data[(row - y.start * scale) * columns * scale * 3 + i - x.start * scale * 3];
        sr[row * width * scale * 3 + i] = Math.round(Math.min(255, Math.max(0, value)));
      }
  }
await writeFile(to, sr);
