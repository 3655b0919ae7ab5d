// The page computes the same values as the package.

import { execFileSync } from "node:child_process";
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bleed } from "../src/image/alpha";
import { readHeader } from "../src/image/header";
import { JpegWriter } from "../src/image/jpeg-writer";
import { blank, type Depth, type Pixels } from "../src/image/pixels";
import { Bicubic, collected, resizedStrips, rowsOf } from "../src/image/resize";
import { methodsOf, type Index } from "../src/network/methods";
import { routeOf, sizeOf, type Network } from "../src/network/routes";
import { plan } from "../src/network/tiling";
import { groups } from "../src/zip";
import { PYTHON } from "./commands";

/** What `reference.py` prints. Arrays have height x width x 4 values, row by row. */
interface Reference {
  plans: { of: [number, number, number, number, number]; spans: number[][][] }[];
  bicubic: { from: Side; to: Side; depth: Depth; small: number[]; large: number[] }[];
  bleed: { size: [number, number]; given: number[]; filled: number[] }[];
  jpegs: { data: string; quality: number }[];
  encoded: { size: Side; values: number[]; quality: number; gray: boolean; file: string }[];
  routing: {
    index: Index;
    passes: [number, string[], string[], string[]][];
    widths: [number, number, number, [number, number]][];
  };
}

type Side = [number, number];

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

describe("bicubic resizing", () => {
  test.each(reference.bicubic)("equals the package's exactly: $from to $to, $depth bits", async (given) => {
    const image = pixels(given.from, given.small, given.depth);
    const [height, width] = given.to;
    const bicubic = new Bicubic(rowsOf(image), width, height);
    const half = Math.floor(height / 2);
    const found = [...bicubic.rows(0, half, given.depth), ...bicubic.rows(half, height, given.depth)];
    expect(found).toEqual(given.large);
    const strips = resizedStrips(inStrips(image, 2), image, { width, height }, given.depth);
    expect([...(await collected(strips, width, height, given.depth)).data]).toEqual(given.large);
  });

  test("of alpha alone equals that of all four values", () => {
    const { from, to, small, large } = reference.bicubic[2];
    const opacity = new Bicubic(rowsOf(pixels(from, small, 8)), to[1], to[0], 3, 1);
    expect([...opacity.rows(0, to[0], 8)]).toEqual(large.filter((_, i) => i % 4 === 3));
  });
});

test.each(reference.bleed)("colors under transparent pixels equal the package's: $size", ({ size, given, filled }) => {
  const image = pixels(size, given, 8);
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

test.each(reference.encoded)(
  "a JPEG file has the package's bytes: quality $quality, $size, gray $gray",
  async (given) => {
    const image = pixels(given.size, given.values, 8);
    const writer = new JpegWriter(image.width, image.height, { gray: given.gray, alpha: false }, given.quality);
    for await (const strip of inStrips(image, 5)) await writer.append(strip);
    const file = Buffer.from(await (await writer.finish()).arrayBuffer());
    expect(file.equals(Buffer.from(given.file, "base64"))).toBe(true);
  },
);

describe("routes", () => {
  const { index, passes, widths } = reference.routing;
  const receptive_field = { radius: 1, multiple: 1, global_mean: false };
  const cards = index.cards.map((card) => {
    const name = card.replace(".onnx.json", "");
    return { name, scale: 2, file: "a.onnx", multiply_adds_per_pixel: 1, receptive_field };
  });
  const [method] = methodsOf(index, cards, new URL("https://host/"));

  test.each(passes)("are the command line's for a factor of %d", (factor, clean, jpeg, denoise) => {
    const image = { width: 1000, height: 1000 };
    const request = { method, wish: { factor }, denoise: false };
    expect(names(routeOf(image, request))).toEqual(clean);
    expect(names(routeOf({ ...image, quality: 93 }, request))).toEqual(clean);
    expect(names(routeOf({ ...image, quality: 92.9 }, request))).toEqual(jpeg);
    expect(names(routeOf(image, { ...request, denoise: true }))).toEqual(denoise);
  });

  test.each(widths)("%i x %i pixels get the package's size for a width of %i", (height, width, wish, size) => {
    const found = sizeOf({ width, height }, { width: wish });
    expect([found.height, found.width]).toEqual(size);
  });

  const names = (networks: Network[]) => networks.map(({ name }) => name);
});

test("a ZIP file gets as many images as it can hold", () => {
  const entry = (size: number) => ({ path: "a.png", blob: { size } as Blob });
  const sizes = groups([5000, 5000, 5000, 20_000, 100].map(entry), 11_000).map((group) =>
    group.map(({ blob }) => blob.size),
  );
  expect(sizes).toEqual([[5000, 5000], [5000], [20_000], [100]]);
});

async function* inStrips({ width, height, data }: Pixels, rows: number): AsyncGenerator<Pixels> {
  for (let y = 0; y < height; y += rows) {
    const strip = data.subarray(4 * width * y, 4 * width * (y + rows));
    yield { width, height: strip.length / 4 / width, data: strip };
  }
}

function pixels([height, width]: Side, values: number[], depth: Depth): Pixels {
  const image = blank(width, height, depth);
  image.data.set(values);
  return image;
}
