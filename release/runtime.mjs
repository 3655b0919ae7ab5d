// node runtime.mjs FOLDER: as runtime.py, with onnxruntime-node; it finds the package in the working directory.
import { createRequire } from "node:module";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ort = createRequire(join(process.cwd(), "/"))("onnxruntime-node");
const folder = process.argv[2];

// The arrays of NumPy's format 1.0: a header with the shape, then the values.
function read(path) {
  const bytes = readFileSync(path), start = 10 + bytes.readUInt16LE(8);
  const shape = bytes.toString("latin1", 10, start).match(/\(([^)]*)\)/)[1].split(",").map(Number);
  return { shape, values: new Float32Array(bytes.buffer.slice(bytes.byteOffset + start)) };
}

function write(path, shape, values) {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`.padEnd(117) + "\n";
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  writeFileSync(path, Buffer.concat([magic, Buffer.from(header), Buffer.from(values.buffer)]));
}

// Planes to pixels, or pixels to planes, times a factor.
function reordered(values, channels, pixels, factor, toPlanes) {
  const result = new Float32Array(values.length);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < pixels; i++) {
      const plane = c * pixels + i, pixel = i * channels + c;
      result[toPlanes ? plane : pixel] = values[toPlanes ? pixel : plane] * factor;
    }
  return result;
}

const { shape: [, height, width], values } = read(join(folder, "lr.npy"));
for (const name of readdirSync(folder).filter((name) => /^[^.]+\.(any|tile)\.onnx$/.test(name))) {
  const isPlanar = name.endsWith(".tile.onnx");
  const given = isPlanar ? reordered(values, 3, height * width, 1 / 255, true) : values;
  const shape = isPlanar ? [1, 3, height, width] : [1, height, width, 3];
  const path = join(folder, name.replace(".onnx", ".node"));
  try {
    const session = await ort.InferenceSession.create(join(folder, name));
    const { dims, data } = (await session.run({ lr: new ort.Tensor("float32", given, shape) })).sr;
    const [, rows, columns] = isPlanar ? [1, dims[2], dims[3]] : dims;
    const sr = isPlanar ? reordered(data, 3, rows * columns, 255, false) : data;
    write(`${path}.npy`, [1, rows, columns, 3], sr);
  } catch (error) {
    writeFileSync(`${path}.txt`, String(error));
  }
}
