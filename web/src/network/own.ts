// A network that the user brings: an ONNX file that `wdsr-tf export` wrote, by what it says about itself. As
// `wdsr_tf/inference/engines/metadata.py`, this believes nothing that a network can't be.

import { PbfReader } from "pbf";
import { Refusal } from "../image/refusal";
import { verbatim } from "./methods";
import { MAX_FACTOR, type Method, type Network, type ReceptiveField, type Routes, type Table } from "./routes";

/** What the names of these methods begin with. */
export const OWN_PREFIX = "own:";

const MAX_BYTES = 2 ** 28; // of a file; the largest network that trains here has 170 MB
const MAX_TEXT = 2 ** 16; // of what a file says about its receptive field
const MAX_FACTS = 2 ** 23; // as in wdsr_tf/inference/engines/metadata.py
const EXACT_RADIUS = 96; // LR pixels; beyond, tiles overlap by what the file records (wdsr_tf/inference/overlap.py)
const [GRAPH, METADATA_PROPS] = [7, 14]; // fields of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, ModelProto

/** What `wdsr_tf` keeps with a model, as far as the page needs it. */
interface Facts {
  jpeg?: unknown;
  tiles?: { overlap?: number };
}

/** Reads a file; throws a `Refusal` if it's damaged, or none of ours. JPEGs below a quality are taken as noisy. */
export async function ownMethod(file: Blob, fileName: string, jpegBelow: number): Promise<Method> {
  if (file.size > MAX_BYTES) throw new Refusal("network.large", { name: fileName, megabytes: MAX_BYTES / 2 ** 20 });
  const said = metadataOf(new Uint8Array(await file.arrayBuffer()));
  if (!said) throw new Refusal("network.damaged", { name: fileName });
  if (said.tile) throw new Refusal("network.tile", { name: fileName, tile: said.tile });
  const network = networkOf(said, file, fileName);
  if (!network) throw new Refusal("network.foreign", { name: fileName });
  const facts = (said.facts?.length <= MAX_FACTS && parsed<Facts>(said.facts)) || {};
  const overlap = facts.tiles?.overlap ?? 0;
  if (
    network.receptiveField.radius > EXACT_RADIUS &&
    Number.isInteger(overlap) &&
    overlap > 0 &&
    overlap <= EXACT_RADIUS
  ) {
    network.receptiveField.radius = overlap;
  }
  const routes = routesOf(network, Object.hasOwn(facts, "jpeg"), jpegBelow);
  const { name } = network;
  return {
    id: OWN_PREFIX + name,
    title: verbatim(name),
    hint: { key: "method.own.hint", values: { scale: network.scale } },
    routes,
    networks: { [name]: network },
  };
}

/** Returns what an ONNX file says about itself; `undefined` if it isn't one. */
function metadataOf(bytes: Uint8Array): Record<string, string> | undefined {
  const said: Record<string, string> = {};
  const file = new PbfReader(bytes);
  let graphs = 0;
  try {
    file.readFields((tag, _, reader) => {
      if (tag === GRAPH) graphs++;
      if (tag !== METADATA_PROPS) return;
      const entry = { key: "", value: "" };
      reader.readMessage((field, into, inner) => {
        if (field === 1) into.key = inner.readString();
        if (field === 2) into.value = inner.readString();
      }, entry);
      said[entry.key] = entry.value;
    }, null);
  } catch {
    return undefined;
  }
  return graphs === 1 && file.pos === bytes.length ? said : undefined; // it also reads beyond the end of a cut file
}

function networkOf(said: Record<string, string>, file: Blob, fileName: string): Network | undefined {
  const scale = Number(said.scale);
  const { layout = "NHWC", range = "0..255", dtype = "float32", receptive_field: text = "" } = said;
  const receptiveField = text.length <= MAX_TEXT ? parsed<ReceptiveField>(text) : undefined;
  if (!receptiveField || !isPlausible(receptiveField, scale)) return undefined;
  const known =
    ["NHWC", "NCHW"].includes(layout) && ["0..255", "0..1"].includes(range) && ["float32", "uint8"].includes(dtype);
  if (!known) return undefined;
  return {
    name: fileName.replace(/\.onnx$/i, ""),
    scale,
    receptiveField,
    work: file.size / 4, // about one multiply-add per weight
    source: file,
    form: { planar: layout === "NCHW", white: range === "0..1" ? 1 : 255, bytes: dtype === "uint8" },
  };
}

function isPlausible(
  { radius, multiple, bytes_per_pixel: bytes, global_mean: mean }: ReceptiveField,
  scale: number,
): boolean {
  const within = (value: number, low: number, high: number) => Number.isInteger(value) && low <= value && value <= high;
  const tiles = within(radius, 0, 2 ** 16) && within(multiple, 1, 2 ** 10) && within(bytes, 1, 2 ** 30);
  return tiles && within(scale, 1, MAX_FACTOR) && typeof mean === "boolean";
}

/** Returns what `routing.routes` returns for this network alone. */
function routesOf({ name, scale }: Network, forJpeg: boolean, jpegBelow: number): Routes {
  const passes: Table = [];
  for (let [up_to, models] = [scale, [name]]; scale > 1; [up_to, models] = [up_to * scale, [...models, name]]) {
    passes.push({ up_to: Math.min(up_to, MAX_FACTOR), models });
    if (up_to >= MAX_FACTOR) break;
  }
  const clean = scale > 1 ? [{ up_to: 1, models: [] }, ...passes] : [{ up_to: 1, models: [name] }];
  const jpeg = forJpeg && scale > 1 ? [{ up_to: 0.5, models: [] }, ...passes] : clean;
  const removes = forJpeg && scale > 1;
  return { scale, jpeg_below: jpegBelow, noise: removes ? 1 : null, clean, jpeg, denoise: removes ? passes : [] };
}

function parsed<T>(text: string): T | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
