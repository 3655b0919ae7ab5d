// The page's results equal the command line's, for every route, format and kind of image.
//
// Pixels equal within 1 of 255: both run the same network, but sum in another order, and a sum near a half is rounded
// down in one and up in the other. JPEG and lossy WebP can make more of a difference of 1, so of those, what goes into the
// encoder is compared: the pixels, within 1, and that both encoders make the same of the same pixels.
//
// All are made in one page, one after another, which compiles the runtime once.

import { join } from "node:path";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { choose, downloadAll, launch, ONLINE, open, pick, scratch, serve, type Picked } from "./browser";
import { check, encode, IMAGES, PROJECT, python, type Case, type Found } from "./commands";

const FAST = "wdsr-b-4-x2";
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
  [{ format: "webp-lossless" }, {}, "camera.jpg", [160, 240]],
  [{ format: "webp-lossless" }, {}, "see-through.webp", [262, 200]],
  [{ format: "webp-lossless" }, {}, "deep.png", [240, 160]],
  [{ format: "png" }, {}, "camera.webp", [160, 240]],
  [{ format: "png" }, {}, "camera.jpg", [160, 240]],
  [{ format: "png" }, {}, "camera.png", [160, 240]],
  [{ format: "png" }, {}, "rotated.jpg", [240, 400]],
  [{ format: "png" }, {}, "gray.jpg", [240, 160]],
  [{ size: "4", format: "png" }, { scale: 4 }, "deep.png", [480, 320]],
  [{ format: "jpeg" }, {}, "camera.jpg", [160, 240]],
  [{ format: "jpeg", quality: 40 }, { quality: 40 }, "camera.png", [160, 240]],
  [{ format: "jpeg", quality: 100 }, { quality: 100 }, "rotated.jpg", [240, 400]],
  [{ format: "jpeg" }, {}, "gray.jpg", [240, 160]],
  [{ format: "jpeg" }, {}, "deep.png", [240, 160]],
  [{ format: "webp", quality: 80 }, { quality: 80 }, "camera.webp", [160, 240]],
].map(([picked, options, ...rest]) => [
  { method: "Fast", ...(picked as Picked) },
  { model: FAST, scale: 2, ...(options as Case[0]) },
  ...(rest as [string, [number, number]]),
]);

/** Networks of the user's own: the file, the size, and the same as options of the command line. */
const OWN: [string, string, Case[0]][] = [
  [`${PROJECT}/wdsr_tf/weights/wdsr-a-8-x3.onnx`, "3", { scale: 3 }],
  [join(own, "wdsr-b-4-x2.onnx"), "4", { model: FAST, scale: 4 }], // in 0..1 and NCHW
];

const ROWS = [...ROUTES, ...KINDS, ...FORMATS];
const files: string[] = []; // the page's, of each row
const found: Found[] = []; // of each row, then of each own network

beforeAll(async () => {
  const [server, browser] = await Promise.all([
    serve(true),
    launch(),
    python(IMAGES, "make", images),
    python(IMAGES, "own", own),
  ]);
  const page = await browser.newPage(ONLINE);
  await open(page, server.url);
  for (const picked of new Set(ROWS.map(([picked]) => JSON.stringify(picked)))) {
    await reset(page);
    await pick(page, JSON.parse(picked));
    const rows = ROWS.filter((row) => JSON.stringify(row[0]) === picked);
    const made = await upscaled(
      page,
      rows.map(([, , name]) => name),
    );
    for (const [i, row] of rows.entries()) files[ROWS.indexOf(row)] = made[i];
  }
  const cases = ROWS.map((row, i): Case => [row[1], join(images, row[2]), files[i]]);
  for (const [network, size, options] of OWN) {
    await reset(page);
    await choose(page, network);
    await page.waitForFunction(() => document.querySelector<HTMLSelectElement>("#method")!.value.startsWith("own:"));
    await pick(page, { size });
    const [made] = await upscaled(page, ["small.png"]);
    cases.push([{ model: network, ...options }, join(images, "small.png"), made]);
  }
  await Promise.all([browser.close(), server.close()]);
  found.push(...(await check(cases)));
});

describe.each([
  ["routes", ROUTES],
  ["kinds of images", KINDS],
  ["formats", FORMATS],
] as [string, Row[]][])("%s:", (_, rows) => {
  test.each(rows.map((row) => [row, ROWS.indexOf(row)] as const))("%j equals the command line's result", (row, i) => {
    const { alike, off, exif, size } = found[i];
    if (!isLossy(row)) expect(off).toBeLessThanOrEqual(1);
    expect(alike).toBe(true);
    expect(exif[0]).toEqual(exif[1]);
    expect(size).toEqual(row[3]);
  });
});

test("JPEG and lossy WebP images are what the command line makes of the page's pixels", async () => {
  const lossy = ROWS.filter(isLossy);
  const cases = lossy.map((row): [string, string, number | null] => {
    const lossless = ROWS.findIndex(([{ format, size }, , name]) => format && !size && name === row[2]);
    expect(isLossy(ROWS[lossless])).toBe(false);
    return [files[lossless], files[ROWS.indexOf(row)], row[0].quality ?? null];
  });
  expect((await encode(cases)).map(({ alike, off }) => [alike, off])).toEqual(lossy.map(() => [true, 0]));
});

test.each(OWN)("the user's own network %s at x%s gives the command line's result", (network) => {
  const { alike, off } = found[ROWS.length + OWN.findIndex(([name]) => name === network)];
  expect(alike).toBe(true);
  expect(off).toBeLessThanOrEqual(1);
});

function isLossy([{ format }]: Row): boolean {
  return format === "jpeg" || format === "webp";
}

/** Sets everything as it is at the start. */
async function reset(page: Page): Promise<void> {
  await page.evaluate(() => (location.hash = "#method=best&scale=2"));
  await page.waitForFunction(() => {
    const { value: method } = document.querySelector<HTMLSelectElement>("#method")!;
    const { value: size } = document.querySelector<HTMLInputElement>("#scales :checked")!;
    const { value: format } = document.querySelector<HTMLSelectElement>("#format")!;
    const denoise = document.querySelector<HTMLInputElement>("#denoise")!;
    return [method, size, format, denoise.checked].join() === "best,2,png,false";
  });
}

/** Upscales several of the images, or one and another, because finished ones of several keep their settings. */
async function upscaled(page: Page, names: string[]): Promise<string[]> {
  const all = names.length > 1 ? names : [...names, "pixel.png"];
  await page.setInputFiles(
    "#file",
    all.map((name) => join(images, name)),
  );
  const made = await downloadAll(page);
  expect(made).toHaveLength(all.length);
  return made;
}
