// The viewer, the languages, links, and accessibility, in Chromium.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LANGUAGES } from "../src/i18n";
import { readSettings, writeSettings } from "../src/settings";
import { launch, ONLINE, open, ROOT, serve } from "./browser";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1120, height: 700 };
const SMALL = { width: 320, height: 640 };
const ALL = "#method=best&scale=width&width=900&denoise=1&format=jpeg&quality=80"; // shows every option
const SAMPLE = join(ROOT, "../docs/lighthouse.png");

let browser: Browser;
let page: Page; // with the sample, upscaled
let empty: Page; // with every option, and no image
let batch: Page; // with every option, and two images, upscaled
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  [server, browser] = await Promise.all([serve(true), launch()]);
  page = await browser.newPage({ ...ONLINE, viewport: WIDE });
  await open(page, `${server.url}#method=fast`);
  await page.click("#sample");
  await page.waitForSelector('body[data-state="done"]', { timeout: 100_000 });
  [empty, batch] = await Promise.all([browser.newPage(ONLINE), browser.newPage(ONLINE)]);
  await open(empty, server.url + ALL);
  await open(batch, `${server.url}#method=fast`);
  await batch.setInputFiles("#file", [SAMPLE, SAMPLE]);
  await batch.waitForSelector('body[data-state="done"]', { timeout: 100_000 });
  await batch.evaluate((fragment) => (location.hash = fragment), ALL);
  await batch.waitForSelector("#message:not([hidden])"); // finished images keep their settings
});

afterEach(async () => {
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light" });
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.close()]);
});

describe("the image before", () => {
  test("is bicubic or has the original's own pixels, and the stage says which", async () => {
    expect(await page.innerText(".tag.left")).toBe("Before: bicubic");
    const smooth = await colors(page);
    await page.selectOption("#compare select", "nearest");
    expect(await page.innerText(".tag.left")).toBe("Before: nearest");
    const blocks = await colors(page);
    await page.focus("#stage");
    await page.keyboard.press("b");
    expect(await page.innerText(".tag.left")).toBe("Before: bicubic");
    expect(await page.locator("#compare select").inputValue()).toBe("bicubic");
    // Zoomed in, an original's pixel covers four of the result's.
    expect(blocks).toBeLessThan(0.7 * smooth);
  });

  test("is shown while the space bar or a button is held", async () => {
    const shown = () => page.locator(".after").isVisible();
    await page.focus("#stage");
    await page.keyboard.down(" ");
    expect(await shown()).toBe(false);
    await page.keyboard.up(" ");
    expect(await shown()).toBe(true);
    await page.hover("#hold");
    await page.mouse.down();
    expect(await shown()).toBe(false);
    await page.mouse.up();
    expect(await shown()).toBe(true);
    await page.focus("#hold");
    await page.keyboard.down("Enter");
    expect(await shown()).toBe(false);
    await page.keyboard.up("Enter");
    expect(await shown()).toBe(true);
  });
});

test("the keyboard controls the divider and the zoom", async () => {
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
  await page.focus("#stage");
  await page.keyboard.press("0");
  await page.focus("#divider");
  await page.keyboard.press("End");
  const box = (await page.locator("#divider").boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 500, y, { steps: 4 });
  await page.mouse.up();
  expect(Number(await page.getAttribute("#divider", "aria-valuenow"))).toBeLessThan(40);
});

test("both images stand side by side, at one screen pixel per pixel, and move together", async () => {
  await page.click("#side-by-side");
  expect(await page.getAttribute("#side-by-side", "aria-pressed")).toBe("true");
  expect(await page.innerText("#zoom")).toBe("100%");
  const [before, after] = await boxes(page);
  expect([before.width, after.width]).toEqual([640, 640]);
  const stage = (await page.locator("#stage").boundingBox())!;
  const pane = (await page.locator(".after").boundingBox())!;
  expect(Math.abs(after.x - before.x - stage.width / 2)).toBeLessThan(2);
  expect(Math.abs(pane.x - stage.x - stage.width / 2)).toBeLessThan(2);
  await page.focus("#stage");
  await page.keyboard.press("ArrowRight");
  const moved = await boxes(page);
  expect(moved[0].x).toBeLessThan(before.x);
  expect(moved[1].x - moved[0].x).toBeCloseTo(after.x - before.x);
  await page.keyboard.press("s");
  expect(await page.getAttribute("#side-by-side", "aria-pressed")).toBe("false");
});

test("the original stands at its own size beside the result, both at 100%, and shows the same place", async () => {
  await page.click("#own-sizes");
  expect(await page.getAttribute("#own-sizes", "aria-pressed")).toBe("true");
  expect(await page.innerText(".tag.left")).toBe("Before: original size");
  expect(await page.isDisabled("#compare select")).toBe(true);
  expect(await page.innerText("#zoom")).toBe("100%");
  const [original, result] = await boxes(page);
  expect([original.width, original.height, result.width, result.height]).toEqual([320, 200, 640, 400]);
  expect(await violations(page)).toEqual([]);
  await page.focus("#stage");
  for (const key of ["+", "+", "+", "ArrowRight", "ArrowDown"]) await page.keyboard.press(key);
  const stage = (await page.locator("#stage").boundingBox())!;
  const middle = async () => {
    const found = await boxes(page);
    return found.map(({ x, width }, i) => (stage.x + (stage.width * (1 + 2 * i)) / 4 - x) / width);
  };
  const [left, right] = await middle();
  expect(left).toBeCloseTo(right, 2);
  expect(left).toBeGreaterThan(0.5);
  const [x, y] = [stage.x + 100, stage.y + 100];
  const places = await boxes(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 40, y, { steps: 4 });
  await page.mouse.up();
  const moved = await boxes(page);
  expect(moved.map((box, i) => Math.round(box.x - places[i].x))).toEqual([40, 80]); // it follows the pointer
  const under = (box: { x: number; width: number }) => (x - box.x) / box.width;
  await page.mouse.move(x, y);
  await page.mouse.wheel(0, -200);
  await expect.poll(async () => (await boxes(page))[0].width).toBeGreaterThan(moved[0].width);
  expect(under((await boxes(page))[0])).toBeCloseTo(under(moved[0]), 2);
  await page.keyboard.press("s");
  expect(await page.getAttribute("#own-sizes", "aria-pressed")).toBe("false");
  const [before, after] = await boxes(page);
  expect(before.width).toBeCloseTo(after.width, 3);
  await page.keyboard.press("o");
  await page.keyboard.press("o");
  expect(await page.getAttribute("#side-by-side", "aria-pressed")).toBe("false");
  expect(await page.isDisabled("#compare select")).toBe(false);
  expect(await page.innerText(".tag.left")).toBe("Before: bicubic");
});

test("the wheel zooms around the pointer, and two fingers zoom as far as they part", async () => {
  await page.focus("#divider");
  await page.keyboard.press("Home"); // away from the fingers, which would drag it
  await page.focus("#stage");
  await page.keyboard.press("1");
  const stage = (await page.locator("#stage").boundingBox())!;
  const [x, y] = [stage.x + 500, stage.y + 200];
  const under = async () => {
    const [{ x: left, width }] = await boxes(page);
    return (x - left) / width;
  };
  const point = await under();
  await page.mouse.move(x, y);
  await page.mouse.wheel(0, -400);
  await expect.poll(() => page.innerText("#zoom")).toBe("200%");
  expect(await under()).toBeCloseTo(point);
  const session = await page.context().newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...points: number[]) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: points.map((dx, id) => ({ x: x - 200 + dx, y, id })) });
  await touch("touchStart", 0, 50);
  await touch("touchMove", 0, 100);
  await touch("touchEnd");
  await expect.poll(() => page.innerText("#zoom")).toBe("400%");
});

test("a loupe magnifies both images where the pointer is, or in the middle by the keyboard", async () => {
  await page.focus("#stage");
  await page.keyboard.press("0");
  await page.keyboard.press("l");
  const loupe = page.locator("#loupe");
  expect(await loupe.isVisible()).toBe(true);
  expect(await page.getAttribute("#magnify", "aria-pressed")).toBe("true");
  const middle = await loupe.boundingBox();
  const picture = () => loupe.evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
  const first = await picture();
  const stage = (await page.locator("#stage").boundingBox())!;
  await page.mouse.move(stage.x + 300, stage.y + 300);
  await expect.poll(picture).not.toBe(first);
  expect((await loupe.boundingBox())!.x).toBeLessThan(middle!.x);
  await page.click("#magnify");
  expect(await loupe.isVisible()).toBe(false);
});

test("the texts change with the language, in all states, and the address keeps the choice", async () => {
  await speak("ja");
  expect(await page.title()).toBe("画像を拡大");
  expect(await page.innerText("#download")).toBe("ダウンロード");
  expect(await page.innerText("#method option:checked")).toBe("高速");
  expect(await page.getAttribute("#divider", "aria-valuetext")).toMatch(/^拡大前 \d+%/);
  expect(new URL(page.url()).hash).toBe("#language=ja&method=fast&scale=2");
  await speak("en");
  expect(await page.innerText("#facts")).toBe("320 × 200 → 640 × 400");
});

test.each([
  ["fr-CH", "Déposez une image ici"],
  ["zh-CN", "将图片拖放到这里"],
  ["pt-BR", "Drop an image here"],
])("a browser in %s shows “%s”", async (locale, title) => {
  const other = await browser.newPage({ ...ONLINE, locale });
  await open(other, server.url);
  expect(await other.innerText("h2")).toBe(title);
  await other.close();
});

describe("a link", () => {
  test("has the method and the scale, but not the language, and is copied", async () => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.click("#share");
    await expect.poll(() => page.innerText("#share")).toBe("Link copied");
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link).toBe(`${server.url}#method=fast&scale=2`);
  });

  test.each([
    ["#method=fast&scale=2", "fast"],
    ["#method=nothing&scale=1e9&language=constructor", "best"],
    [`#method=${encodeURIComponent("<img src=x onerror=alert(1)>")}&scale=%00`, "best"],
    ["#%E0%A4%A&&&=", "best"],
    [`#method=${"fast".repeat(10_000)}`, "best"],
  ])("opens the page as far as its settings exist (%#)", async (fragment, method) => {
    const other = await browser.newPage(ONLINE);
    await open(other, server.url + fragment);
    expect(await other.locator("#method").inputValue()).toBe(method);
    expect(await other.locator("#scales :checked").getAttribute("value")).toBe("2");
    expect(await other.getAttribute("html", "lang")).toBe("en");
    await other.close();
  });

  test("has all settings that aren't as usual, and brings them back", async () => {
    const other = await browser.newPage(ONLINE);
    await open(other, server.url + ALL);
    await other.selectOption("#language", "de");
    await expect.poll(() => new URL(other.url()).hash).toBe(`#language=de&${ALL.slice(1)}`);
    await other.reload();
    await other.waitForFunction(() => document.getElementById("engine")!.textContent);
    expect(new URL(other.url()).hash).toBe(`#language=de&${ALL.slice(1)}`);
    expect(await other.isChecked("#denoise")).toBe(true);
    expect(await other.locator("#width").inputValue()).toBe("900");
    expect(await other.locator("#quality").inputValue()).toBe("80");
    await other.evaluate(() => (location.hash = "#language=fr&width=-1e9&scale=width&quality=none&format=exe"));
    await expect.poll(() => other.getAttribute("html", "lang")).toBe("fr");
    expect(await other.locator("#width").inputValue()).toBe("1");
    expect(await other.locator("#format").inputValue()).toBe("png");
    await other.close();
  });

  test("is read as it was written, without what the page doesn't know", () => {
    const settings = { language: "de", method: "4x & more #1", scale: "2" };
    expect(readSettings(writeSettings(settings))).toEqual(settings);
    expect(readSettings("#__proto__=1&engine=graphics&scale=3")).toEqual({ scale: "3" });
  });
});

describe.each(["light", "dark"] as const)("in %s colors", (colorScheme) => {
  test.each([
    ["wide", WIDE],
    ["320-pixel", SMALL],
  ])("a %s page has no accessibility violation", async (_, viewport) => {
    for (const shown of [page, empty, batch]) {
      await shown.setViewportSize(viewport);
      await shown.emulateMedia({ colorScheme });
      expect(await violations(shown)).toEqual([]);
    }
    const other = await browser.newPage({ ...ONLINE, viewport, colorScheme });
    await other.goto(`${server.url}licenses.html`);
    await other.click("summary >> nth=1");
    expect(await violations(other)).toEqual([]);
    await other.close();
  });
});

test.each(Object.keys(LANGUAGES))("on a 320-pixel screen, everything is within reach in %s", async (language) => {
  for (const shown of [page, empty, batch]) {
    await speak(language, shown);
    await shown.setViewportSize(SMALL);
    const { stage, ...found } = await reach(shown);
    expect(found).toEqual({ width: 320, outside: [] });
    if (shown !== empty) expect(stage).toBeGreaterThan(200);
    await speak("en", shown);
  }
});

test("the keyboard alone reaches every control, in the order of the page, and its focus is visible", async () => {
  const other = await browser.newPage({ ...ONLINE, viewport: WIDE });
  await open(other, `${server.url}#method=fast`);
  const reached = async () => {
    const ids: string[] = [];
    for (let rounds = 0; rounds < 2; ) {
      await other.keyboard.press("Tab");
      const found = await other.evaluate(() => {
        const { activeElement: element } = document;
        if (!element || element === document.body) return null;
        const shown = element.matches("#divider, #scales input") || getComputedStyle(element).outlineStyle !== "none";
        return `${element.id || element.closest("[id]")!.id}${shown ? "" : " (focus not visible)"}`;
      });
      if (!found) rounds += 1; // the end of the page
      else if (!ids.includes(found)) ids.push(found);
    }
    return ids;
  };
  expect(await reached()).toEqual(["share", "language", "licenses", "choose", "choose-folder", "sample", "method", "scales", "format"]);
  await other.focus("#sample");
  await other.keyboard.press("Enter");
  await other.waitForSelector('body[data-state="done"]', { timeout: 100_000 });
  await other.evaluate(() => (document.activeElement as HTMLElement).blur());
  const all = await reached();
  const viewer = ["stage", "divider", "out", "zoom", "in", "compare", "hold", "side-by-side", "own-sizes", "magnify"];
  const page = ["share", "language", "licenses", ...viewer, "method", "scales", "format", "another", "download"];
  expect([...all].sort()).toEqual([...page].sort()); // begins where the sample was
  await other.close();
});

async function speak(language: string, shown = page): Promise<void> {
  await shown.selectOption("#language", language);
  await shown.waitForSelector(`html[lang^="${language}"]`, { state: "attached" });
}

/** Returns the page's width, the controls that are cut off or outside, and the height of the stage. */
function reach(page: Page) {
  return page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    outside: [...document.querySelectorAll("button, select, a, input:not(.segments input), .segments, #stage")].flatMap((element) => {
      const { left, right, width, height } = element.getBoundingClientRect();
      const cut = element.matches("select") ? width < 60 : element.scrollWidth > element.clientWidth + 1;
      const shown = (element as HTMLElement).offsetParent !== null;
      const bad = shown && (left < 0 || right > innerWidth || height < 20 || (cut && element.id !== "stage"));
      return bad ? [element.outerHTML.slice(0, 80)] : [];
    }),
    stage: document.getElementById("stage")!.clientHeight,
  }));
}

/** Returns what axe finds. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run(document);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  });
}

/** Returns the places of the image before and after on the screen. */
async function boxes(page: Page) {
  const shown = [page.locator(".before:not([hidden]) canvas"), page.locator(".after canvas")];
  return Promise.all(shown.map(async (canvas) => (await canvas.boundingBox())!));
}

/** Returns how many pixels of the image before differ from their right neighbor, at four screen pixels per pixel. */
async function colors(page: Page): Promise<number> {
  await page.focus("#stage");
  await page.keyboard.press("1");
  await page.keyboard.press("Home");
  for (let i = 0; i < 4; i++) await page.keyboard.press("+");
  await page.keyboard.down(" ");
  const { x, y } = (await page.locator("#stage").boundingBox())!;
  const png = await page.screenshot({ clip: { x: x + 100, y: y + 100, width: 400, height: 40 } });
  await page.keyboard.up(" ");
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    let count = 0;
    for (let i = 4; i < data.length; i += 4) if (data[i] !== data[i - 4]) count += 1;
    return count;
  }, png.toString("base64"));
}
