// Builds the service worker, with the hash of each file of the page.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { Plugin } from "vite";
import { META_POLICY } from "../src/offline/headers.ts";

const WORKER = "service-worker.js";
const LARGE = 100_000; // larger files are cached after the page has started

/** Puts the Content-Security-Policy into the pages, and writes the service worker. */
export function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    buildStart() {
      this.emitFile({ type: "chunk", id: "src/offline/service-worker.ts", fileName: WORKER });
    },
    transformIndexHtml() {
      const attrs = { "http-equiv": "Content-Security-Policy", content: META_POLICY };
      return [{ tag: "meta", attrs, injectTo: "head-prepend" }];
    },
    writeBundle({ dir }) {
      stamp(dir!);
    },
  };
}

/** Writes the hashes of the files in `dir` into its service worker. */
export function stamp(dir: string): void {
  const files = Object.fromEntries(list(dir).map((path) => [path, integrity(join(dir, path))]));
  const early = Object.keys(files).filter((path) => statSync(join(dir, path)).size < LARGE);
  const version = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 16);
  const constants = Object.entries({ FILES: files, EARLY: early, VERSION: version });
  const path = join(dir, WORKER);
  const code = readFileSync(path, "utf8").replace(/^const (FILES|EARLY|VERSION) = .*\n/gm, "");
  if (/^\s*(import|export)\b/m.test(code)) throw new Error(`${WORKER} must be one file`);
  const lines = constants.map(([name, value]) => `const ${name} = ${JSON.stringify(value)};\n`);
  writeFileSync(path, lines.join("") + code);
}

/** Returns the paths of all files except the service worker, sorted. */
function list(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => relative(folder, join(parentPath, name)).split(sep).join("/"));
  return paths.filter((path) => path !== WORKER).sort();
}

function integrity(path: string): string {
  return `sha256-${createHash("sha256").update(readFileSync(path)).digest("base64")}`;
}
