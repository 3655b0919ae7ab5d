// Draws the icons of the installed page from icon.svg: node web/plugins/icons.mjs

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const folder = new URL("../public/", import.meta.url).pathname;
const svg = readFileSync(`${folder}icon.svg`, "utf8");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
for (const [name, size, share] of [
  ["icon-192", 192, 1],
  ["icon-512", 512, 1],
  ["icon-maskable", 512, 0.8], // a system may cut off the outer tenth
]) {
  await page.setViewportSize({ width: size, height: size });
  const ground = share < 1 ? "#0f766e" : "transparent";
  await page.setContent(
    `<style>body { background: ${ground}; display: grid; height: 100vh; margin: 0; place-items: center }
      svg { width: ${100 * share}%; height: ${100 * share}% }</style>${svg}`,
  );
  await page.screenshot({ path: `${folder}${name}.png`, omitBackground: true });
}
await browser.close();
