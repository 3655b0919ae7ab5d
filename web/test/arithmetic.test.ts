// The page computes the same values as the package.

import { execFileSync } from "node:child_process";
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bleed } from "../src/alpha";
import { Bicubic } from "../src/bicubic";
import type { Pixels } from "../src/pixels";
import { readHeader } from "../src/header";
import { methodsOf, type Routes } from "../src/networks";
import { plan } from "../src/tiling";
import { PYTHON } from "./commands";

/** What `reference.py` prints. Arrays have height x width x 4 values, row by row. */
interface Reference {
  plans: { of: [number, number, number, number, number]; spans: number[][][] }[];
  bicubic: { size: [number, number]; scale: number; small: number[]; large: number[] }[];
  bleed: { size: [number, number]; given: number[]; filled: number[] }[];
  jpegs: { data: string; quality: number }[];
  routing: { models: { name: string; scale: number }[]; routes: Routes; passes: [number, string[], string[]][] };
}

const reference: Reference = JSON.parse(
  execFileSync(PYTHON, [`${import.meta.dirname}/reference.py`], { encoding: "utf8", maxBuffer: 2 ** 26 }),
);

describe("tiles", () => {
  test.each(reference.plans)("start and end where demo.py's do: $of", ({ of, spans }) => {
    const [height, width, radius, multiple, pixels] = of;
    const { rows, columns } = plan(height, width, { radius, multiple }, pixels);
    const found = [rows, columns].map((axis) => axis.map(({ start, stop, low, high }) => [start, stop, low, high]));
    expect(found).toEqual(spans);
  });
});

test.each(reference.bicubic)("bicubic upscaling equals the package's exactly: $size x $scale", (given) => {
  const image = pixels(given.size, given.small);
  const bicubic = new Bicubic(image, given.scale);
  const half = Math.floor(bicubic.height / 2);
  expect([...bicubic.rows(0, half), ...bicubic.rows(half, bicubic.height)]).toEqual(given.large);
});

test("bicubic upscaling of alpha alone equals that of all four values", () => {
  const { size, small, large, scale } = reference.bicubic[1];
  const opacity = new Bicubic(pixels(size, small), scale, 3, 1);
  expect([...opacity.rows(0, opacity.height)]).toEqual(large.filter((_: number, i: number) => i % 4 === 3));
});

test.each(reference.bleed)("colors under transparent pixels equal the package's: $size", ({ size, given, filled }) => {
  const image = pixels(size, given);
  bleed(image);
  const off = filled.map((value: number, i: number) => Math.abs(value - image.data[i]));
  expect(Math.max(...off)).toBeLessThanOrEqual(1); // sums in another order may round a half differently
});

test.each(reference.jpegs)("the quality of a JPEG equals the package's: $quality", async ({ data, quality }) => {
  const header = await readHeader(new Blob([Buffer.from(data, "base64")]));
  expect(header.quality).toBeCloseTo(quality, 9);
});

test.each([
  [2 ** 20, 2 ** 20],
  [2 ** 26 + 1, undefined],
])("a color profile of %i bytes is read or left out", async (size, found) => {
  const name = (text: string) => Buffer.from(text, "latin1");
  const chunk = (type: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    return Buffer.concat([length, name(type), content, Buffer.alloc(4)]);
  };
  const head = Buffer.from([0, 0, 0, 16, 0, 0, 0, 16, 8, 2, 0, 0, 0]);
  const profile = Buffer.concat([name("x\0\0"), deflateSync(Buffer.alloc(size))]);
  const chunks = [chunk("IHDR", head), chunk("iCCP", profile), chunk("IDAT", Buffer.alloc(0))];
  const header = await readHeader(new Blob([name("\x89PNG\r\n\x1a\n"), ...chunks]));
  expect(header.profile?.length).toBe(found);
  expect([header.width, header.height]).toEqual([16, 16]);
});

test("the first method follows the package's routes, where they need a single pass", () => {
  const { models, routes, passes } = reference.routing;
  const receptive_field = { radius: 1, multiple: 1, global_mean: false };
  const cards = models.map((model) => ({ ...model, file: "a.onnx", multiply_adds_per_pixel: 1, receptive_field }));
  const [automatic] = methodsOf(cards, routes, new URL("https://host/"));
  expect(automatic.sizes[0].scale).toBe(routes.scale);
  expect(automatic.sizes.map(({ scale, clean, jpeg }) => [scale, clean.name, jpeg.name]).sort()).toEqual(
    passes
      .filter(([, clean]) => clean.length === 1)
      .map(([scale, clean, jpeg]) => [scale, clean[0], jpeg.length === 1 ? jpeg[0] : clean[0]]),
  );
});

function pixels([height, width]: [number, number], values: number[]): Pixels {
  return { width, height, data: new Uint8ClampedArray(values) };
}
