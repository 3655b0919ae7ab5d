// A plain static host: it sends no headers of its own, and serves the page from a sub-folder.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
};
const FOLDER = "/some/folder/";

export class Host {
  /** The paths that were asked for. */
  readonly asked: string[] = [];
  private server?: Server;
  private port = 0;

  /** `folder` can be changed later, as a new version of the page. */
  constructor(public folder: string) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}${FOLDER}`;
  }

  /** Begins to serve; again on the same port. */
  async open(): Promise<this> {
    this.server = createServer(async ({ url }, response) => {
      const path = new URL(url!, "http://host").pathname;
      this.asked.push(path);
      const name = path.startsWith(FOLDER) ? path.slice(FOLDER.length) || "index.html" : "..";
      const bytes = name.includes("..") ? undefined : await readFile(join(this.folder, name)).catch(() => undefined);
      response.writeHead(bytes ? 200 : 404, { "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" });
      response.end(bytes);
    });
    await new Promise<void>((done) => this.server!.listen(this.port, "127.0.0.1", done));
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  async close(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((done) => (this.server ? this.server.close(done) : done(undefined)));
    this.server = undefined;
  }
}
