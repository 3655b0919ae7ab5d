// The page on a plain static host: threads, offline, a new version, and what it keeps and sends.

import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stamp } from "../plugins/offline";
import { HEADERS, META_POLICY } from "../src/offline/headers";
import { launch, open, pick, ROOT, scratch } from "./browser";
import { Host } from "./host";

const DIST = join(ROOT, "dist");
const seen: string[] = []; // the URLs of all requests
const refused: string[] = []; // what the Content-Security-Policy blocked

let browser: Browser;
let context: BrowserContext;
let page: Page;
let host: Host;
let other: Host;

beforeAll(async () => {
  [host, other, browser] = await Promise.all([new Host(DIST).open(), new Host(DIST).open(), launch()]);
  context = await browser.newContext();
  context.on("request", (request) => seen.push(request.url()));
  page = await context.newPage();
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) refused.push(message.text());
  });
  await open(page, host.url);
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([host?.close(), other?.close()]);
});

test("the first visit is isolated without the host's headers, and uses threads", async () => {
  await page.waitForFunction(() => crossOriginIsolated);
  await page.waitForFunction(() => document.getElementById("engine")!.textContent);
  expect(await page.innerText("#engine")).toMatch(/^Runs on [2-8] threads$/);
});

test("after the first visit, all files are cached under their hashes, and the page works without the host", async () => {
  await complete(page);
  await host.close();
  await page.goto(`${host.url}#language=de`);
  await page.reload();
  await page.waitForFunction(() => document.getElementById("engine")!.textContent);
  expect(await page.innerText("#engine")).toMatch(/^Läuft mit [2-8] Threads$/);
  await page.selectOption("#language", "en");
  await pick(page, { method: "Fast" });
  await page.click("#sample");
  await page.waitForSelector('body[data-state="done"]', { timeout: 100_000 });
  const licenses = await context.newPage();
  await licenses.goto(`${host.url}licenses.html`);
  expect(await licenses.innerText("h1")).toBe("Licenses");
  await licenses.close();
  await host.open();
});

test("workers can't load from other origins or evaluate text, and nor can the page", async () => {
  const before = other.asked.length;
  const tries = (url: string) =>
    new Promise<string[]>((done) =>
      // Later, because Chromium lets a debugger's own calls evaluate text.
      setTimeout(async () => {
        const sent = await fetch(url, { mode: "no-cors" }).then(
          () => "sent",
          () => "blocked",
        );
        try {
          done([sent, String((0, eval)("1"))]);
        } catch (error) {
          done([sent, (error as Error).name]);
        }
      }),
    );
  const workers = page.workers();
  expect(workers.length).toBeGreaterThan(0);
  expect(await page.evaluate(tries, other.url)).toEqual(["blocked", "EvalError"]);
  expect(await workers[0].evaluate(tries, other.url)).toEqual(["blocked", "EvalError"]);
  expect(other.asked.length).toBe(before);
  expect(refused.length).toBeGreaterThan(0);
});

test("the policy allows nothing unsafe but WebAssembly, and no other origins", () => {
  for (const policy of [META_POLICY, HEADERS["Content-Security-Policy"]]) {
    const sources = policy.split(";").flatMap((rule) => rule.trim().split(" ").slice(1));
    expect(new Set(sources)).toEqual(new Set(["'none'", "'self'", "'wasm-unsafe-eval'", "blob:"]));
  }
  for (const name of ["index.html", "licenses.html"]) {
    const html = readFileSync(join(DIST, name), "utf8");
    expect(html.match(/<meta http-equiv="Content-Security-Policy" content="([^"]*)"/)?.[1].replaceAll("&#39;", "'")).toBe(
      META_POLICY,
    );
    expect(html).not.toMatch(/ style=| on[a-z]+=|<style|<script>|javascript:/);
  }
});

test("the page keeps nothing but its own files", async () => {
  const kept = await page.evaluate(async () => ({
    stores: [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length],
    cookies: document.cookie,
    caches: await caches.keys(),
  }));
  expect(kept).toMatchObject({ stores: [0, 0, 0], cookies: "" });
  expect(kept.caches).toHaveLength(1);
  expect(await context.cookies()).toEqual([]);
  expect((await cached(page)).sort()).toEqual(list());
});

test("a new version takes over when the user wants it, loads only what changed, and removes the old files", async () => {
  const folder = join(scratch(), "dist");
  cpSync(DIST, folder, { recursive: true });
  const index = join(folder, "index.html");
  writeFileSync(index, readFileSync(index, "utf8").replace("<body", '<body data-version="2"'));
  stamp(folder);
  host.folder = folder;
  host.asked.length = 0;
  const before = await page.evaluate(() => caches.keys());
  await open(page, host.url);
  await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
  await page.waitForSelector("#update:not([hidden])");
  expect(await page.getAttribute("body", "data-version")).toBeNull(); // still the old one
  await page.click("#update button");
  await page.waitForSelector('body[data-version="2"]');
  await complete(page);
  const after = await page.evaluate(() => caches.keys());
  expect(after).toHaveLength(1);
  expect(after).not.toEqual(before);
  expect(host.asked.filter((path) => !path.endsWith("/service-worker.js"))).toEqual(["/some/folder/"]);
});

test("a damaged file isn't cached", async () => {
  const folder = join(scratch(), "dist");
  cpSync(DIST, folder, { recursive: true });
  writeFileSync(join(folder, "icon.svg"), "<svg/>");
  const wrong = await new Host(folder).open();
  const visit = await browser.newContext();
  const page = await visit.newPage();
  await open(page, wrong.url);
  const registered = () => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);
  await expect.poll(() => wrong.asked.some((path) => path.endsWith("icon.svg")), { timeout: 20_000 }).toBe(true);
  await expect.poll(registered, { timeout: 20_000 }).toBe(0);
  expect(await cached(page)).not.toContain("icon.svg");
  expect(await page.innerText("#engine")).toBe("Runs on 1 thread");
  await visit.close();
  await wrong.close();
});

test("the page can be installed: its manifest names icons of their true sizes", () => {
  const manifest = JSON.parse(readFileSync(join(DIST, "manifest.webmanifest"), "utf8"));
  expect(manifest).toMatchObject({ start_url: "./", scope: "./", display: "standalone" });
  for (const { src, type, sizes } of manifest.icons.filter(({ type }: { type: string }) => type === "image/png")) {
    const png = readFileSync(join(DIST, src));
    expect(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`, type).toBe(sizes);
  }
  expect(manifest.icons.map(({ sizes }: { sizes: string }) => sizes)).toEqual(["any", "192x192", "512x512", "512x512"]);
});

test("the page of licenses has a text for each package that the page is made of", () => {
  const html = readFileSync(join(DIST, "licenses.html"), "utf8");
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) expect(html).toContain(`<summary>${name} `);
  expect(html).toContain("Copyright (c) Microsoft Corporation");
  expect(html).toContain("Eigen"); // in the runtime's notices
  expect(html).toContain("Copyright (c) 2010, Google Inc."); // libwebp, in a package of another license
});

test("no request left the page's origin", () => {
  const { origin } = new URL(host.url);
  expect(seen.some((url) => url.endsWith(".wasm"))).toBe(true);
  expect(seen.filter((url) => !url.startsWith(origin) && !url.startsWith(`blob:${origin}`) && url !== other.url)).toEqual([]);
});

/** Waits until the cache has all files. */
async function complete(page: Page): Promise<void> {
  await expect.poll(async () => (await cached(page).catch(() => [])).length, { timeout: 60_000 }).toBe(list().length);
}

/** Returns the paths in the cache. */
function cached(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const [name] = await caches.keys();
    const requests = await (await caches.open(name)).keys();
    const folder = new URL("./", location.href).href;
    return requests.map(({ url }) => url.slice(folder.length).replace(/\?sha256-.*/, ""));
  });
}

/** Returns the paths of the files that a host serves. */
function list(): string[] {
  const entries = readdirSync(DIST, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name).slice(DIST.length + 1));
  return paths.filter((path) => path !== "service-worker.js").sort();
}
