// Serves the built page and opens it in Chromium.

import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { unzipSync } from "fflate";
import { chromium, type Browser, type Page } from "playwright-core";
import { preview, type PreviewServer } from "vite";

export const ROOT = resolve(import.meta.dirname, "..");

// Chromium itself makes no requests, so that all requests are the page's.
const QUIET = [
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
];
const SOFTWARE = ["--disable-gpu"];
/** WebGPU on the CPU: slow, but the same code. */
export const GRAPHICS = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader"];

/** For pages without the service worker, which would load all files in each test. */
export const ONLINE = { serviceWorkers: "block" } as const;

/** Serves `dist/`, with the headers that allow threads if `isolated`. */
export async function serve(isolated: boolean): Promise<{ url: string; close(): Promise<void> }> {
  const server: PreviewServer = await preview({
    root: ROOT,
    logLevel: "error",
    preview: { host: "127.0.0.1", port: 0, open: false, ...(isolated ? {} : { headers: plain }) },
  });
  return { url: server.resolvedUrls!.local[0], close: () => server.close() };
}

const plain = { "Cross-Origin-Opener-Policy": "unsafe-none", "Cross-Origin-Embedder-Policy": "unsafe-none" };

export function launch(options: string[] = SOFTWARE): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [...QUIET, ...options],
  });
}

/** Opens the page and waits until it can be used. */
export async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById("engine")!.textContent);
}

export async function choose(page: Page, path: string): Promise<void> {
  await page.setInputFiles("#file", path);
}

/** What to pick in the page; the rest stays as it is. */
export interface Picked {
  method?: string;
  /** "2", "3", "4" or "width". */
  size?: string;
  width?: number;
  denoise?: boolean;
  format?: "png" | "jpeg" | "webp" | "webp-lossless";
  quality?: number;
}

export async function pick(page: Page, { method, size, width, denoise, format, quality }: Picked): Promise<void> {
  if (method) await page.selectOption("#method", { label: method });
  if (size) await page.check(`#scales input[value="${size}"]`, { force: true });
  if (denoise !== undefined) await page.setChecked("#denoise", denoise);
  if (format) await page.selectOption("#format", format);
  for (const [id, value] of [
    ["#width", width],
    ["#quality", quality],
  ] as const) {
    if (value === undefined) continue;
    await page.fill(id, String(value));
    await page.locator(id).blur();
  }
}

/** Waits for the result and downloads it; returns its path. */
export async function download(page: Page, timeout = 280_000): Promise<string> {
  await page.waitForSelector('body[data-state="done"], #message:not([hidden])', { timeout });
  if ((await state(page)) !== "done") throw new Error(await page.innerText("#message"));
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  const path = join(scratch(), file.suggestedFilename());
  await file.saveAs(path);
  return path;
}

/** Waits for all results, downloads their ZIP file and unpacks it; returns the paths, in the order of the images. */
export async function downloadAll(page: Page): Promise<string[]> {
  const files = await unzipped(page);
  const folder = scratch();
  return Object.entries(files).map(([name, bytes]) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  });
}

/** Waits for all results and downloads their ZIP file; returns what it holds. */
export async function unzipped(page: Page): Promise<Record<string, Uint8Array>> {
  await page.waitForSelector("#batch:not([hidden])");
  await page.waitForFunction(() => document.body.dataset.state !== "working", null, { timeout: 280_000 });
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("#all")]);
  return unzipSync(readFileSync(await file.path()));
}

export function state(page: Page): Promise<string | null> {
  return page.getAttribute("body", "data-state");
}

export function scratch(): string {
  return mkdtempSync(join(tmpdir(), "wdsr-web-"));
}
