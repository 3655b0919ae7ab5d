// The page in Chromium: its results equal demo.py's, and it does what users can ask of it.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { choose, download, GRAPHICS, launch, ONLINE, open, pick, ROOT, scratch, serve, state } from "./browser";
import { NETWORKS, PROJECT, python } from "./commands";

const IMAGES = join(import.meta.dirname, "images.py");
const images = join(scratch(), "images");
const results = scratch(); // of demo.py
const ALL = "all networks"; // demo.py chooses one by its routes, as the page does
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

describe("equals demo.py within 1 of 255:", () => {
  test.each([
    ["Best quality", "wdsr-a-8-x2", "harbour.png", "RGB", [640, 400]],
    ["Best quality", "wdsr-a-8-x2", "see-through.png", "RGBA", [640, 400]],
    ["Fastest", "wdsr-b-4-x2", "pixel.png", "RGB", [2, 2]],
    ["Fastest", "wdsr-b-4-x2", "large.png", "RGB", [1994, 1226]],
    ["Fastest", "wdsr-b-4-x2", "see-through.webp", "RGBA", [262, 200]],
    ["Fastest", "wdsr-b-4-x2", "gray.png", "L", [202, 114]],
    ["Fastest", "wdsr-b-4-x2", "palette.png", "RGB", [640, 400]],
    ["Fastest", "wdsr-b-4-x2", "rotated.jpg", "RGB", [240, 400]],
    ["Best quality", ALL, "rotated.jpg", "RGB", [240, 400]],
    ["Best quality", ALL, "fine.jpg", "RGB", [240, 160]],
  ])("%s, %s, %s", async (method, network, name, mode, size) => {
    await pick(page, method);
    await choose(page, join(images, name));
    const found = await compare(await download(page), network, name);
    expect(found).toMatchObject({ alike: true, mode, size });
    expect(found.off).toBeLessThanOrEqual(1);
  });
});

test("the work can be stopped and started again", async () => {
  await pick(page, "Best quality");
  await choose(page, join(images, "large.png"));
  await page.waitForFunction(() => document.querySelector("progress")!.value > 0.02);
  await page.click("#cancel");
  expect(await state(page)).toBe("stopped");
  await pick(page, "Fastest"); // starts again automatically
  await page.waitForFunction(() => document.body.dataset.state === "working");
  await page.click("#cancel");
  await page.click("#again");
  expect((await compare(await download(page), "wdsr-b-4-x2", "large.png")).off).toBeLessThanOrEqual(1);
});

describe("explains", () => {
  test.each([
    ["broken.png", () => POSTER.subarray(0, 9000), /damaged/],
    ["header.png", () => POSTER.subarray(0, 20), /damaged/],
    ["broken.jpg", () => readFileSync(join(images, "rotated.jpg")).subarray(0, 3000), /damaged/],
    ["notes.png", () => Buffer.from("not an image"), /not a PNG, JPEG, or WebP/],
    ["moving.gif", () => Buffer.from("GIF89a......"), /a GIF/],
    ["huge.png", () => header(20_000, 20_000), /too large: 20000 × 20000/],
  ])("what is wrong with %s, and accepts the next image", async (name, bytes, message) => {
    const path = join(scratch(), name);
    writeFileSync(path, bytes());
    await choose(page, path);
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(message);
    expect(await state(page)).toBe("empty");
    await pick(page, "Fastest");
    await choose(page, join(images, "pixel.png"));
    await download(page);
    expect(await page.isVisible("#message")).toBe(false);
  });

  test("that dropped text isn't an image", async () => {
    await drop(page, "notes.txt", Buffer.from("hello"));
    await page.waitForSelector("#message:not([hidden])");
    expect(await page.innerText("#message")).toMatch(/not a PNG, JPEG, or WebP/);
  });
});

test.each([
  ["drop", drop],
  ["paste", paste],
])("accepts an image by %s", async (_, give) => {
  await pick(page, "Fastest");
  await give(page, "pixel.png", readFileSync(join(images, "pixel.png")));
  expect(basename(await download(page))).toBe("pixel-2x.png");
});

test("the keyboard controls the divider and the zoom", async () => {
  await pick(page, "Fastest");
  await choose(page, join(images, "harbour.png"));
  await download(page);
  const divider = page.getByRole("slider", { name: "Before and after" });
  await divider.focus();
  const place = async () => (await divider.boundingBox())!.x;
  const [at, value] = [await place(), Number(await divider.getAttribute("aria-valuenow"))];
  await page.keyboard.press("ArrowRight");
  expect(Number(await divider.getAttribute("aria-valuenow"))).toBe(value + 2);
  expect(await place()).toBeGreaterThan(at);
  await page.keyboard.press("Home");
  expect(await divider.getAttribute("aria-valuenow")).toBe("0");
  await page.keyboard.press("End");
  expect(await divider.getAttribute("aria-valuetext")).toBe("100% before, 0% after");
  await page.focus("#stage");
  await page.keyboard.press("1");
  expect(await page.innerText("#zoom")).toBe("100%");
  await page.keyboard.press("+");
  expect(await page.innerText("#zoom")).toBe("150%");
});

test("the divider can be dragged", async () => {
  await pick(page, "Fastest");
  await choose(page, join(images, "harbour.png"));
  await download(page);
  const box = (await page.locator("#divider").boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 200, y, { steps: 4 });
  await page.mouse.up();
  expect(Number(await page.getAttribute("#divider", "aria-valuenow"))).toBeLessThan(40);
});

test("an isolated page uses several threads, another page one, with the same result", async () => {
  expect(await page.innerText("#engine")).toMatch(/^Runs on [2-8] threads$/);
  const plain = await serve(false);
  origins.add(new URL(plain.url).origin);
  const other = await browser.newPage(ONLINE);
  watch(other);
  await open(other, plain.url);
  expect(await other.innerText("#engine")).toBe("Runs on 1 thread");
  await pick(other, "Fastest");
  await choose(other, join(images, "harbour.png"));
  expect((await compare(await download(other), "wdsr-b-4-x2", "harbour.png")).off).toBeLessThanOrEqual(1);
  await other.close();
  await plain.close();
});

test("if the graphics card fails, the CPU takes over and the page says so", async () => {
  await open(page, `${server.url}?engine=graphics`);
  expect(await page.innerText("#engine")).toBe("Runs on your graphics card");
  await pick(page, "Fastest");
  await choose(page, join(images, "pixel.png"));
  await download(page);
  expect(await page.innerText("#engine")).toMatch(/threads$/);
  expect(await page.innerText("#notice")).toMatch(/graphics card could not/);
});

test("the graphics card gives demo.py's result", async () => {
  const other = await launch(GRAPHICS);
  const page = await other.newPage(ONLINE);
  watch(page);
  await open(page, `${server.url}?engine=graphics`);
  await pick(page, "Fastest");
  await choose(page, join(images, "see-through.webp"));
  const found = await compare(await download(page), "wdsr-b-4-x2", "see-through.webp");
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

const demos = new Map<string, Promise<void>>();

/** Runs demo.py on the images to compare, once per network. */
async function demo(network: string): Promise<void> {
  const some: Record<string, string[]> = { [ALL]: ["rotated.jpg", "fine.jpg"], "wdsr-b-4-x2": readdirSync(images) };
  const names = some[network] ?? ["harbour.png", "see-through.png"];
  const folder = join(scratch(), "in");
  mkdirSync(folder);
  for (const name of names) copyFileSync(join(images, name), join(folder, name));
  await python("demo.py", "-i", folder, "-o", join(results, network), "-m", network === ALL ? NETWORKS : join(NETWORKS, `${network}.keras`));
}

async function compare(path: string, network: string, name: string) {
  if (!demos.has(network)) demos.set(network, demo(network));
  await demos.get(network);
  const [stem, suffix] = name.split(".");
  const expected = join(results, network, `${stem}-sr.${suffix === "jpg" ? "png" : suffix}`);
  return JSON.parse(await python(IMAGES, "compare", path, expected));
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
