// A result of 48 megapixels fits into a tab of 2 GB. Takes minutes, so it runs only with SLOW=1.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { choose, download, launch, ONLINE, open, pick, scratch, serve } from "./browser";
import { PROJECT, python } from "./commands";

const LIMIT = 2 * 2 ** 30;

test.runIf(process.env.SLOW)(
  "a result of 48 megapixels takes less than 2 GB",
  async () => {
    const image = join(scratch(), "large.png");
    await python(
      "-c",
      `from PIL import Image; Image.open("${PROJECT}/demo/poster.png").convert("RGB").resize((4000, 3000)).save("${image}")`,
    );
    const [server, browser] = await Promise.all([serve(true), launch()]);
    const before = renderers();
    const page = await browser.newPage(ONLINE);
    await open(page, server.url);
    const own = renderers().filter((pid) => !before.includes(pid));
    await pick(page, { method: "Fast" });
    await choose(page, image);
    const path = await download(page, 1_500_000);
    await page.waitForFunction(() => {
      const before = document.querySelector<HTMLCanvasElement>("#stage canvas")!;
      return before.getContext("2d")!.getImageData(before.width - 1, before.height - 1, 1, 1).data[3] === 255;
    });
    const peak = Math.max(...own.map(peakOf));
    console.log(`The tab's peak was ${(peak / 2 ** 20).toFixed(0)} MiB.`);
    await Promise.all([browser.close(), server.close()]);
    expect(readFileSync(path).readUInt32BE(16)).toBe(8000);
    expect(own.length).toBeGreaterThan(0);
    expect(peak).toBeLessThan(LIMIT);
  },
  1_800_000,
);

/** Returns the processes of Chromium's tabs. */
function renderers(): string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && read(pid, "cmdline").includes("--type=renderer"));
}

/** Returns the largest memory that a process had, in bytes. */
function peakOf(pid: string): number {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(read(pid, "status"))?.[1] ?? 0);
}

function read(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return ""; // it has ended
  }
}
