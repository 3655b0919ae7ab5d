// Several images at once, networks of the user's own, and files that mean harm.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { choose, download, launch, ONLINE, open, pick, scratch, serve, state, unzipped } from "./browser";
import { check, IMAGES, PROJECT, python, type Case } from "./commands";

const FAST = { method: "Fast" };
const MODEL = { model: "wdsr-b-4-x2", scale: 2 };
const NETWORK = `${PROJECT}/wdsr_tf/weights/wdsr-b-4-x2.onnx`;
const images = join(scratch(), "images");
const image = (name: string) => join(images, name);

let browser: Browser;
let page: Page; // one for all, which compiles the runtime once
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  await python(IMAGES, "make", images);
  [server, browser] = await Promise.all([serve(true), launch()]);
  page = await browser.newPage(ONLINE);
  await open(page, server.url);
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.close()]);
});

beforeEach(async () => {
  await pick(page, { ...FAST, format: "png" });
  await page.waitForFunction(() => document.body.dataset.state !== "working"); // a single image starts again
  await page.evaluate(() => (document.getElementById("message")!.hidden = true)); // of the test before
});

describe("several images", () => {
  test("become one ZIP file, and each can be downloaded; one that fails doesn't stop the others", async () => {
    const broken = join(scratch(), "broken.png");
    writeFileSync(broken, readFileSync(image("small.png")).subarray(0, 4000));
    await page.setInputFiles("#file", [image("small.png"), broken, image("q75.jpg"), image("gray.png")]);
    await finished(page);
    expect(await states(page)).toEqual(["done", "failed", "done", "done"]);
    expect(await page.locator("#list li").nth(1).innerText()).toMatch(/damaged/);
    const files = await unzipped(page);
    expect(Object.keys(files)).toEqual(["small-2x.png", "q75-2x.png", "gray-2x.png"]);
    const single = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download q75.jpg" }).click();
    expect(readFileSync(await (await single).path()).equals(Buffer.from(files["q75-2x.png"]))).toBe(true);
    const cases = Object.entries(files).map(([name, bytes], i): Case => {
      const path = join(scratch(), name);
      writeFileSync(path, bytes);
      return [MODEL, image(["small.png", "q75.jpg", "gray.png"][i]), path];
    });
    for (const { alike, off } of await check(cases)) {
      expect(alike).toBe(true);
      expect(off).toBeLessThanOrEqual(1);
    }
  });

  test("from a folder keep their folders in the ZIP file, and other files are left out", async () => {
    const folder = join(scratch(), "holiday");
    mkdirSync(join(folder, "b"), { recursive: true });
    for (const [path, source] of [
      ["a.png", "pixel.png"],
      ["b/a.png", "pixel.png"],
      ["b/a.jpg", "q75.jpg"],
    ]) {
      copyFileSync(image(source), join(folder, path));
    }
    writeFileSync(join(folder, "notes.txt"), "hello");
    await page.setInputFiles("#folder", folder);
    await finished(page);
    const names = Object.keys(await unzipped(page)).sort();
    expect(names).toEqual(["holiday/a-2x.png", "holiday/b/a-2x (2).png", "holiday/b/a-2x.png"]);
  });

  test("can be canceled one by one, or all, and started again", async () => {
    await pick(page, { method: "Photo, exact" });
    await page.setInputFiles("#file", [image("large.png"), image("small.png"), image("pixel.png")]);
    await page.getByRole("button", { name: "Cancel small.png" }).click();
    await page.getByRole("button", { name: "Cancel large.png" }).click();
    await finished(page);
    expect(await states(page)).toEqual(["stopped", "stopped", "done"]);
    await pick(page, FAST);
    await page.click("#again");
    await page.click("#cancel");
    expect((await states(page)).slice(0, 2)).toEqual(["stopped", "stopped"]);
  });

  test("that are finished can be looked at again", async () => {
    await page.setInputFiles("#file", [image("small.png"), image("pixel.png")]);
    await finished(page);
    await page.getByRole("button", { name: "Show small.png" }).click();
    await page.waitForFunction(() => /120 × 80 → 240 × 160/.test(document.getElementById("facts")!.textContent));
    await page.waitForFunction(() => {
      const canvas = document.querySelector<HTMLCanvasElement>(".after canvas")!;
      return canvas.width === 240 && canvas.getContext("2d")!.getImageData(239, 159, 1, 1).data[3] === 255;
    });
  });
});

describe("says what is wrong with", () => {
  const model = readFileSync(NETWORK);
  const replaced = (from: string, to: string) => Buffer.from(model.toString("latin1").replace(from, to), "latin1");

  test.each([
    ["noise", () => Buffer.from("not a network at all"), /damaged, or it isn't an ONNX file/],
    ["a cut network", () => model.subarray(0, 200_000), /damaged, or it isn't an ONNX file/],
    [
      "a network without our metadata",
      () => replaced("receptive_field", "receptive_fjeld"),
      /isn't a network that wdsr-tf exported/,
    ],
    ["an impossible radius", () => replaced('"radius": 6', '"radius":-6'), /isn't a network that wdsr-tf exported/],
    ["an impossible memory", () => replaced('"multiple": 1', '"multiple":.1'), /isn't a network that wdsr-tf exported/],
  ])("%s as network", async (_, bytes, message) => {
    const path = join(scratch(), "strange.onnx");
    writeFileSync(path, bytes());
    await choose(page, path);
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(message);
    await choose(page, image("pixel.png"));
    await page.waitForSelector("#message", { state: "hidden" });
    await download(page);
  });

  test("a network that isn't what its metadata say, when it runs", async () => {
    const path = join(scratch(), "liar.onnx");
    writeFileSync(path, replacedScale(model));
    await open(page, server.url); // without an image, which would start again
    await pick(page, FAST);
    await choose(page, path);
    await page.waitForSelector("#method option[value='own:liar']:checked", { state: "attached" });
    await choose(page, image("pixel.png"));
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(/isn't a network that wdsr-tf exported/);
  });

  test("transparency in a JPEG, a HEIC image, and a PNG that inflates without end", async () => {
    await pick(page, { format: "jpeg" });
    await choose(page, image("see-through.png"));
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(/can't store transparency/);
    for (const [name, bytes, message] of [
      ["photo.heic", heic(), /can't read this HEIC image/],
      ["bomb.png", bomb(), /damaged/],
    ] as const) {
      const path = join(scratch(), name);
      writeFileSync(path, bytes);
      await choose(page, path);
      await page.waitForFunction(
        (source) => new RegExp(source).test(document.getElementById("message")!.innerText),
        message.source,
      );
    }
    expect(await state(page)).toBe("empty");
  });
});

async function finished(page: Page): Promise<void> {
  await page.waitForSelector("#batch:not([hidden])");
  await page.waitForFunction(() => document.body.dataset.state !== "working", null, { timeout: 280_000 });
}

async function states(page: Page): Promise<(string | undefined)[]> {
  return page.locator("#list li").evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.state));
}

/** Returns the network with metadata that say x4. */
function replacedScale(model: Buffer): Buffer {
  const at = model.lastIndexOf("\x0a\x05scale\x12\x01" + "2", undefined, "latin1");
  const changed = Buffer.from(model);
  changed[at + 9] = "4".charCodeAt(0);
  return changed;
}

/** Returns what begins as a HEIC image of 8 x 8 pixels. */
function heic(): Buffer {
  const size = Buffer.from([0, 0, 0, 20, ...Buffer.from("ispe"), 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8]);
  return Buffer.concat([Buffer.from([0, 0, 0, 16]), Buffer.from("ftypheic"), Buffer.alloc(4), size]);
}

/** Returns a PNG of 8 x 8 pixels of 16 bits whose data inflate to 64 MiB. */
function bomb(): Buffer {
  const chunk = (type: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    return Buffer.concat([length, Buffer.from(type), content, Buffer.alloc(4)]);
  };
  const header = Buffer.from([0, 0, 0, 8, 0, 0, 0, 8, 16, 2, 0, 0, 0]);
  const chunks = [
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(2 ** 26))),
    chunk("IEND", Buffer.alloc(0)),
  ];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...chunks]);
}
