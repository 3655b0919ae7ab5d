// The page in Chromium does what users can ask of it.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { choose, download, GRAPHICS, launch, ONLINE, open, pick, ROOT, scratch, serve, state } from "./browser";
import { check, IMAGES, PROJECT, python } from "./commands";

const FAST = { method: "Fast" };
const FAST_MODEL = { model: "wdsr-b-4-x2", scale: 2 };
const images = join(scratch(), "images");
const POSTER = readFileSync(`${PROJECT}/demo/poster.png`);
const seen: string[] = []; // the URLs of all requests
const origins = new Set<string>(); // of our own servers

let browser: Browser;
let page: Page;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  await python(IMAGES, "make", images);
  [server, browser] = await Promise.all([serve(true), launch()]);
  origins.add(new URL(server.url).origin);
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.close()]);
});

beforeEach(async () => {
  page = await browser.newPage(ONLINE);
  watch(page);
  await open(page, server.url);
});

afterEach(() => page.close());

test("the work can be stopped and started again", async () => {
  await pick(page, { method: "Photo, exact" });
  await choose(page, join(images, "harbour.png"));
  await page.waitForFunction(() => document.querySelector("progress")!.value > 0.02);
  await page.click("#cancel");
  expect(await state(page)).toBe("stopped");
  await pick(page, FAST); // starts again automatically
  await page.waitForFunction(() => document.body.dataset.state === "working");
  await page.click("#cancel");
  await page.click("#again");
  expect((await check([[FAST_MODEL, join(images, "harbour.png"), await download(page)]]))[0].off).toBeLessThanOrEqual(1);
});

describe("explains", () => {
  test.each([
    ["broken.png", () => POSTER.subarray(0, 9000), /damaged/],
    ["header.png", () => POSTER.subarray(0, 20), /damaged/],
    ["broken.jpg", () => readFileSync(join(images, "rotated.jpg")).subarray(0, 3000), /damaged/],
    ["notes.png", () => Buffer.from("not an image"), /not a PNG/],
    ["moving.gif", () => Buffer.from("GIF89a......"), /a GIF/],
    ["huge.png", () => header(20_000, 20_000), /too large: 20000 × 20000/],
  ])("what is wrong with %s", async (name, bytes, message) => {
    const path = join(scratch(), name);
    writeFileSync(path, bytes());
    await choose(page, path);
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(message);
    expect(await state(page)).toBe("empty");
  });

  test("that dropped text isn't an image, and accepts the next image", async () => {
    await drop(page, "notes.txt", Buffer.from("hello"));
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(/not a PNG/);
    await pick(page, FAST);
    await choose(page, join(images, "pixel.png"));
    await page.waitForSelector("#message", { state: "hidden" });
    await download(page);
  });
});

test.each([
  ["drop", drop],
  ["paste", paste],
])("accepts an image by %s", async (_, give) => {
  await pick(page, FAST);
  await give(page, "pixel.png", readFileSync(join(images, "pixel.png")));
  expect(basename(await download(page))).toBe("pixel-2x.png");
});

test("an isolated page uses several threads, another page one, with the same result", async () => {
  expect(await page.innerText("#engine")).toMatch(/^Runs on [2-8] threads$/);
  const plain = await serve(false);
  origins.add(new URL(plain.url).origin);
  const other = await browser.newPage(ONLINE);
  watch(other);
  await open(other, plain.url);
  expect(await other.innerText("#engine")).toBe("Runs on 1 thread");
  await pick(other, FAST);
  await choose(other, join(images, "small.png"));
  expect((await check([[FAST_MODEL, join(images, "small.png"), await download(other)]]))[0].off).toBeLessThanOrEqual(1);
  await other.close();
  await plain.close();
});

test("if the graphics card fails, the CPU takes over and the page says so", async () => {
  await open(page, `${server.url}?engine=graphics`);
  expect(await page.innerText("#engine")).toBe("Runs on your graphics card");
  await pick(page, FAST);
  await choose(page, join(images, "pixel.png"));
  await download(page);
  expect(await page.innerText("#engine")).toMatch(/threads$/);
  expect(await page.innerText("#notice")).toMatch(/graphics card could not/);
});

test("the graphics card gives the command line's result", async () => {
  const other = await launch(GRAPHICS);
  const page = await other.newPage(ONLINE);
  watch(page);
  await open(page, `${server.url}?engine=graphics`);
  await pick(page, FAST);
  await choose(page, join(images, "small-see-through.png"));
  const [found] = await check([[FAST_MODEL, join(images, "small-see-through.png"), await download(page)]]);
  expect(await page.innerText("#engine")).toBe("Runs on your graphics card");
  await other.close();
  expect(found.off).toBeLessThanOrEqual(1);
});

test("everything except the runtime has at most 6 MB", () => {
  const entries = readdirSync(join(ROOT, "dist"), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const runtime = files.filter(({ name }) => /^ort[-.](wasm|webgpu)/.test(name));
  expect(runtime).toHaveLength(6);
  const own = files.filter((file) => !runtime.includes(file) && file.name !== "licenses.html");
  const bytes = own.map(({ parentPath, name }) => statSync(join(parentPath, name)).size);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(6e6);
});

test("no request left the page's origin", () => {
  for (const ending of [".onnx", ".wasm", ".mjs"]) expect(seen.some((url) => url.endsWith(ending))).toBe(true);
  expect(seen.filter((url) => !url.startsWith("blob:") && !origins.has(new URL(url).origin))).toEqual([]);
});

/** Records every request, including those of workers. */
function watch(page: Page): void {
  page.context().on("request", (request) => seen.push(request.url()));
}

/** Returns the header of a PNG of this size. */
function header(width: number, height: number): Buffer {
  const bytes = Buffer.from(POSTER);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
}

async function drop(page: Page, name: string, bytes: Buffer): Promise<void> {
  await give(page, "drop", name, bytes);
}

async function paste(page: Page, name: string, bytes: Buffer): Promise<void> {
  await give(page, "paste", name, bytes);
}

async function give(page: Page, action: "drop" | "paste", name: string, bytes: Buffer): Promise<void> {
  await page.evaluate(
    ({ action, name, values }) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(values)], name));
      const event =
        action === "drop"
          ? new DragEvent("drop", { dataTransfer: data, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: data });
      window.dispatchEvent(event);
    },
    { action, name, values: [...bytes] },
  );
}
