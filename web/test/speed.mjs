// Upscales an image in the page for every line on standard input, for `benchmarks/web.py`.
//
// node web/test/speed.mjs IMAGE NETWORK ENGINE

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { preview } from "vite";

const METHODS = { "wdsr-a-8-x2": "best", "wdsr-b-4-x2": "fast" };
const [image, network, engine] = process.argv.slice(2);
const server = await preview({
  root: new URL("..", import.meta.url).pathname,
  logLevel: "error",
  preview: { host: "127.0.0.1", port: 0, open: false },
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"],
});
const page = await browser.newPage({ serviceWorkers: "block" }); // which would load files meanwhile
await page.goto(`${server.resolvedUrls.local[0]}?engine=${engine}#method=${METHODS[network]}`);
await page.waitForFunction(() => document.getElementById("engine").textContent);
console.log(await page.innerText("#engine"));

for await (const _ of createInterface({ input: process.stdin })) {
  await page.setInputFiles("#file", image);
  await page.waitForSelector('body[data-state="working"]');
  await page.waitForSelector('body[data-state="done"]', { timeout: 600_000 });
  console.log(await page.getAttribute("#facts", "data-seconds"));
}
await browser.close();
await server.close();
