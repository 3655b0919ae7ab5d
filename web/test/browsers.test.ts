// Firefox and WebKit, where they are installed: on a plain host, the page gets threads and upscales as in Chromium.
//
// Debian: apt install firefox-esr webkit2gtk-driver xvfb

import { spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { download, launch, ONLINE, open, ROOT, scratch } from "./browser";
import { PROJECT, python } from "./commands";
import { Host } from "./host";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const WEBKIT = "/usr/bin/WebKitWebDriver";
const ARCHITECTURE = process.arch === "arm64" ? "aarch64" : "x86_64";
const MINI_BROWSER = `/usr/lib/${ARCHITECTURE}-linux-gnu/webkit2gtk-4.1/MiniBrowser`;
const XVFB = "/usr/bin/xvfb-run";
const PORT = 44_551; // of WebKit's driver

/** A page of either browser. */
interface Tab {
  evaluate(code: string): Promise<unknown>;
  close(): Promise<void>;
}

const expected = join(scratch(), "chromium.png");
let host: Host;

beforeAll(async () => {
  host = await new Host(join(ROOT, "dist")).open();
  const browser = await launch();
  const page = await browser.newPage(ONLINE);
  await open(page, `${host.url}#method=fast`);
  await page.click("#sample");
  copyFileSync(await download(page), expected);
  await browser.close();
});

afterAll(() => host?.close());

test.skipIf(!existsSync(FIREFOX))("Firefox gives Chromium's result", () => upscales(openFirefox));

test.skipIf(![WEBKIT, MINI_BROWSER, XVFB].every(existsSync))("WebKit gives Chromium's result", () => upscales(openWebKit));

async function upscales(start: (url: string) => Promise<Tab>): Promise<void> {
  const tab = await start(`${host.url}#method=fast`);
  try {
    const engine = 'crossOriginIsolated && document.getElementById("engine").textContent';
    await expect.poll(() => tab.evaluate(engine).catch(() => ""), { timeout: 60_000 }).toMatch(/^Runs on \d threads$/);
    await tab.evaluate('document.getElementById("sample").click()');
    // WebKit needs most of it to compile the runtime.
    await expect.poll(() => tab.evaluate("document.body.dataset.state"), { timeout: 200_000, interval: 500 }).toBe("done");
    const bytes = await tab.evaluate(`fetch(document.getElementById("download").href)
      .then((response) => response.arrayBuffer())
      .then((buffer) => Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
      .then(btoa)`);
    const path = join(scratch(), "result.png");
    writeFileSync(path, Buffer.from(bytes as string, "base64"));
    const found = JSON.parse(await python(join(PROJECT, "web/test/images.py"), "compare", path, expected));
    expect(found).toMatchObject({ alike: true, size: [640, 400] });
    expect(found.off).toBeLessThanOrEqual(1);
  } finally {
    await tab.close();
  }
}

async function openFirefox(url: string): Promise<Tab> {
  const browser = await puppeteer.launch({ browser: "firefox", executablePath: FIREFOX });
  const page = await browser.newPage();
  await page.goto(url);
  return { evaluate: (code) => page.evaluate(code), close: () => browser.close() };
}

/** Opens WebKitGTK's small browser by the WebDriver protocol. */
async function openWebKit(url: string): Promise<Tab> {
  const driver = spawn(XVFB, ["-a", WEBKIT, `--port=${PORT}`], { stdio: "ignore", detached: true });
  try {
    await expect.poll(() => call("GET", "/status").catch(() => undefined), { timeout: 30_000 }).toBeTruthy();
    const options = { binary: MINI_BROWSER, args: ["--automation"] };
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": options } };
    const { sessionId } = (await call("POST", "/session", { capabilities })) as { sessionId: string };
    const session = `/session/${sessionId}`;
    await call("POST", `${session}/url`, { url });
    return {
      evaluate: (code) => call("POST", `${session}/execute/sync`, { script: `return ${code}`, args: [] }),
      async close() {
        await call("DELETE", session).catch(() => {});
        stop(driver);
      },
    };
  } catch (error) {
    stop(driver);
    throw error;
  }
}

async function call(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${PORT}${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = (await response.json()) as { value: { error?: string; message?: string } | null };
  if (value?.error) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

/** Ends the driver, and the display that it ran on. */
function stop({ pid }: ChildProcess): void {
  if (pid) process.kill(-pid);
}
