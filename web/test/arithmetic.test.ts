// The page's arithmetic gives what the command line's gives, value by value.

import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { bleed } from "../src/alpha";
import { Bicubic } from "../src/bicubic";
import type { Pixels } from "../src/pixels";
import { plan } from "../src/tiling";
import { PYTHON } from "./commands";

/** What `reference.py` prints: arrays are height x width x 4 values, row by row. */
interface Reference {
  plans: { of: [number, number, number, number, number]; spans: number[][][] }[];
  bicubic: { size: [number, number]; scale: number; small: number[]; large: number[] }[];
  bleed: { size: [number, number]; given: number[]; filled: number[] }[];
}

const reference: Reference = JSON.parse(
  execFileSync(PYTHON, [`${import.meta.dirname}/reference.py`], { encoding: "utf8", maxBuffer: 2 ** 26 }),
);

describe("tiles", () => {
  test.each(reference.plans)("start and end where those of demo.py do: $of", ({ of, spans }) => {
    const [height, width, radius, multiple, pixels] = of;
    const { rows, columns } = plan(height, width, { radius, multiple }, pixels);
    const found = [rows, columns].map((axis) => axis.map(({ start, stop, low, high }) => [start, stop, low, high]));
    expect(found).toEqual(spans);
  });
});

test.each(reference.bicubic)("bicubic enlargement is the project's, to the last bit: $size x $scale", (given) => {
  const picture = pixels(given.size, given.small);
  const bicubic = new Bicubic(picture, given.scale);
  const half = Math.floor(bicubic.height / 2);
  expect([...bicubic.rows(0, half), ...bicubic.rows(half, bicubic.height)]).toEqual(given.large);
});

test("bicubic enlargement of opacity alone is that of all four values", () => {
  const { size, small, large, scale } = reference.bicubic[1];
  const opacity = new Bicubic(pixels(size, small), scale, 3, 1);
  expect([...opacity.rows(0, opacity.height)]).toEqual(large.filter((_: number, i: number) => i % 4 === 3));
});

test.each(reference.bleed)("colors beneath transparency are the project's: $size", ({ size, given, filled }) => {
  const picture = pixels(size, given);
  bleed(picture);
  const off = filled.map((value: number, i: number) => Math.abs(value - picture.data[i]));
  expect(Math.max(...off)).toBeLessThanOrEqual(1); // sums in another order may round a half to the other side
});

function pixels([height, width]: [number, number], values: number[]): Pixels {
  return { width, height, data: new Uint8ClampedArray(values) };
}
