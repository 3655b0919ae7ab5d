// The page's results equal the command line's within 1 of 255, for every route, format and kind of image.

import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { choose, download, downloadAll, launch, ONLINE, open, pick, scratch, serve, type Picked } from "./browser";
import { check, IMAGES, PROJECT, python, type Case, type Found } from "./commands";

const FAST = "wdsr-b-4-x2";

/** Both write the same file for the same pixels, but where these differ by 1, quantization can make it more. */
const MOST_IF_LOSSY = 4;
const images = join(scratch(), "images");
const own = scratch();

/** What is picked in the page, the same as options of the command line, the image, and the size of the result. */
type Row = [Picked, Case[0], string, [number, number]];

const ROUTES: Row[] = [
  [{}, { scale: 2 }, "small.png", [240, 160]],
  [{ size: "3" }, { scale: 3 }, "small.png", [360, 240]],
  [{ size: "4" }, { scale: 4 }, "small.png", [480, 320]],
  [{ size: "width", width: 700 }, { size: "700x" }, "small.png", [700, 467]],
  [{ size: "width", width: 50 }, { size: "50x" }, "small-see-through.png", [50, 37]],
  [{ size: "3" }, { scale: 3 }, "small-see-through.png", [243, 180]],
  [{ size: "4" }, { scale: 4 }, "small-see-through.png", [324, 240]],
  [{}, { scale: 2 }, "q60.jpg", [240, 160]],
  [{}, { scale: 2 }, "q75.jpg", [240, 160]],
  [{}, { scale: 2 }, "q92.jpg", [240, 160]],
  [{}, { scale: 2 }, "fine.jpg", [240, 160]],
  [{ size: "3" }, { scale: 3 }, "q75.jpg", [360, 240]],
  [{ size: "4" }, { scale: 4 }, "q75.jpg", [480, 320]],
  [{ size: "width", width: 200 }, { size: "200x" }, "q75.jpg", [200, 133]],
  [{ denoise: true }, { scale: 2, noise: 1 }, "small.png", [240, 160]],
  [{ size: "4", denoise: true }, { scale: 4, noise: 1 }, "q75.jpg", [480, 320]],
  [{ method: "Fast", size: "3" }, { model: FAST, scale: 3 }, "small.png", [360, 240]],
  [{ method: "Fast", size: "4" }, { model: FAST, scale: 4 }, "q75.jpg", [480, 320]],
];

const KINDS: Row[] = [
  ["pixel.png", 2, 2],
  ["large.png", 1226, 802],
  ["see-through.png", 640, 400],
  ["see-through.webp", 262, 200],
  ["gray.png", 202, 114],
  ["palette.png", 640, 400],
  ["rotated.jpg", 240, 400],
  ["deep.png", 240, 160],
  ["deep-see-through.png", 162, 120],
  ["turned.png", 160, 240],
].map(([name, ...size]) => [{ method: "Fast" }, { model: FAST, scale: 2 }, name as string, size as [number, number]]);

const FORMATS: Row[] = [
  [{ format: "jpeg" }, {}, "camera.jpg"],
  [{ format: "jpeg", quality: 40 }, { quality: 40 }, "camera.png"],
  [{ format: "jpeg", quality: 100 }, { quality: 100 }, "rotated.jpg"],
  [{ format: "jpeg" }, {}, "gray.jpg"],
  [{ format: "jpeg" }, {}, "deep.png"],
  [{ format: "webp", quality: 80 }, { quality: 80 }, "camera.webp"],
  [{ format: "webp-lossless" }, {}, "camera.jpg"],
  [{ format: "webp-lossless" }, {}, "see-through.webp"],
  [{ format: "png" }, {}, "camera.webp"],
  [{ size: "4", format: "png" }, { scale: 4 }, "deep.png"],
].map(([picked, options, name]) => [
  { method: "Fast", ...(picked as Picked) },
  { model: FAST, scale: 2, ...(options as Case[0]) },
  name as string,
  [0, 0],
]);

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  await Promise.all([python(IMAGES, "make", images), python(IMAGES, "own", own)]);
  [server, browser] = await Promise.all([serve(true), launch()]);
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.close()]);
});

describe.each([
  ["routes", ROUTES],
  ["kinds of images", KINDS],
  ["formats", FORMATS],
] as [string, Row[]][])("%s:", (_, rows) => {
  const found: Found[] = [];

  beforeAll(async () => {
    const cases: Case[] = [];
    for (const picked of new Set(rows.map(([picked]) => JSON.stringify(picked)))) {
      const group = rows.filter((row) => JSON.stringify(row[0]) === picked);
      const page = await browser.newPage(ONLINE);
      await open(page, server.url);
      await pick(page, JSON.parse(picked));
      const sources = group.map(([, , name]) => join(images, name));
      await page.setInputFiles("#file", sources);
      const files = sources.length > 1 ? await downloadAll(page) : [await download(page)];
      expect(files).toHaveLength(sources.length);
      for (const [i, row] of group.entries()) cases[rows.indexOf(row)] = [row[1], sources[i], files[i]];
      await page.close();
    }
    found.push(...(await check(cases)));
  });

  test.each(rows.map((row, i) => [row, i] as const))("%j equals the command line's result", ([picked, , , size], i) => {
    const { alike, off, exif } = found[i];
    expect(off).toBeLessThanOrEqual(picked.format === "jpeg" || picked.format === "webp" ? MOST_IF_LOSSY : 1);
    expect(alike).toBe(true);
    expect(exif[0]).toEqual(exif[1]);
    if (size[0] > 0) expect(found[i].size).toEqual(size);
  });
});

describe("a network of the user's own", () => {
  test.each([
    ["wdsr-a-8-x3.onnx", `${PROJECT}/wdsr_tf/weights/wdsr-a-8-x3.onnx`, "3", { scale: 3 }],
    ["in 0..1 and NCHW", join(own, "wdsr-b-4-x2.onnx"), "4", { model: FAST, scale: 4 }],
  ])("%s gives the command line's result", async (_, network, size, options) => {
    const page = await browser.newPage(ONLINE);
    await open(page, server.url);
    await choose(page, network);
    await page.waitForFunction(() => (document.getElementById("method") as HTMLSelectElement).value.startsWith("own:"));
    await pick(page, { size });
    await choose(page, join(images, "small.png"));
    const [found] = await check([[{ model: network, ...options }, join(images, "small.png"), await download(page)]]);
    expect(found).toMatchObject({ alike: true });
    expect(found.off).toBeLessThanOrEqual(1);
    await page.close();
  });
});
