// Writes the screenshots in docs/: node web/test/screenshots.mjs [light] [dark] [narrow], after `make web`

import { statSync } from "node:fs";
import { chromium } from "playwright-core";
import { preview } from "vite";

const wanted = process.argv.slice(2);
const docs = new URL("../../docs/", import.meta.url).pathname;
const server = await preview({
  root: new URL("..", import.meta.url).pathname,
  logLevel: "error",
  preview: { host: "127.0.0.1", port: 0, open: false },
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
for (const [name, width, height, colorScheme, keys, language] of [
  ["light", 1120, 700, "light", "", "en"],
  ["dark", 1120, 700, "dark", "s+", "de"], // side by side, at 150%
  ["narrow", 430, 932, "light", "", "en"],
]) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, serviceWorkers: "block" });
  await page.goto(`${server.resolvedUrls.local[0]}#language=${language}`);
  await page.waitForFunction(() => document.getElementById("engine").textContent);
  await page.click("#sample");
  await page.waitForSelector('body[data-state="done"]', { timeout: 150_000 });
  await page.focus("#stage");
  for (const key of keys) await page.keyboard.press(key);
  await page.evaluate(() => document.activeElement.blur());
  const path = `${docs}web-${name}.jpg`;
  await page.screenshot({ path, type: "jpeg", quality: 90 });
  console.log(`${path}: ${Math.round(statSync(path).size / 1000)} kB`);
}
await browser.close();
await server.close();
