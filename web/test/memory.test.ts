// A result of 48 megapixels fits into a tab of 2 GB.
//
// A network that only repeats pixels makes it in seconds. Before that, the default network runs in the same tab, and fills
// a whole tile: what WebAssembly has taken for it, it keeps. With SLOW=1, the page's own networks make the 48 megapixels
// themselves, which takes minutes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { choose, download, launch, ONLINE, open, pick, scratch, serve } from "./browser";
import { IMAGES, python } from "./commands";

const LIMIT = 2 * 2 ** 30;
const folder = scratch();
const [tile, large] = ["tile.png", "large.png"].map((name) => join(folder, name));

beforeAll(async () => {
  await python(IMAGES, "repeat", folder);
});

test("a result of 48 megapixels takes less than 2 GB, beside a tile of the default network", async () => {
  const peak = await peakOf(async (page) => {
    await choose(page, tile);
    await download(page);
    await choose(page, join(folder, "repeat.onnx"));
    await page.waitForSelector("#method option[value='own:repeat']", { state: "attached" });
    await page.waitForSelector('body[data-state="done"]'); // this network has made the tile again
  });
  expect(peak).toBeLessThan(LIMIT);
});

test.runIf(process.env.SLOW).each(["Fast", "Photo, exact"])(
  "a result of 48 megapixels by “%s” takes less than 2 GB",
  async (method) => {
    expect(await peakOf((page) => pick(page, { method }))).toBeLessThan(LIMIT);
  },
  3_600_000,
);

/** Upscales the large image, until both sides of the comparison are drawn; returns the most memory that the tab had, in bytes. */
async function peakOf(prepare: (page: Page) => Promise<void>): Promise<number> {
  const [server, browser] = await Promise.all([serve(true), launch()]);
  const page = await browser.newPage(ONLINE);
  await open(page, server.url);
  await prepare(page);
  await choose(page, large);
  await page.waitForSelector('body[data-state="working"]'); // until then, the result before is done
  const path = await download(page, 3_000_000);
  await page.waitForFunction(() => document.querySelectorAll<HTMLCanvasElement>("#stage canvas")[1].width === 4000);
  const peak = await mostOf(browser);
  console.log(`The tab's peak was ${(peak / 2 ** 20).toFixed(0)} MiB.`);
  const filled = await page.evaluate(() => {
    const canvases = [".before canvas", ".after canvas"].map((name) => document.querySelector<HTMLCanvasElement>(name)!);
    return canvases.map((canvas) => {
      const { data } = canvas.getContext("2d")!.getImageData(canvas.width - 1, canvas.height - 1, 1, 1);
      return [canvas.width, data[3]];
    });
  });
  await Promise.all([browser.close(), server.close()]);
  expect(filled).toEqual([
    [8000, 255],
    [8000, 255],
  ]);
  expect(readFileSync(path).readUInt32BE(16)).toBe(8000);
  return peak;
}

/** Returns the most memory that a tab of the browser had, in bytes. */
async function mostOf(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const tabs = processInfo.filter(({ type }) => type === "renderer");
  const peaks = tabs.map(({ id }) => /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "latin1"))!);
  return 1024 * Math.max(...peaks.map(([, kilobytes]) => Number(kilobytes)));
}
