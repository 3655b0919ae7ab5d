// Serves the page from a cache, so that it works offline, with the headers that let it use threads.
//
// The build replaces the names below. A file is cached under its path and the hash of its contents, and is checked
// against that hash when it is loaded, so that a version never mixes with another.

import { HEADERS } from "./headers";

/** The hash of each file of this version, in the form of `fetch`'s `integrity`. */
declare const FILES: Record<string, string>;
/** The files that the page needs to start: small ones. */
declare const EARLY: string[];
/** The hash of all hashes. */
declare const VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const scope = worker.registration.scope;
const PREFIX = `files of ${scope} `; // several copies of the page may share an origin
const NAME = PREFIX + VERSION;
const loading = new Map<string, Promise<Response>>();

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("message", (event) => {
  if (event.data === "complete") event.waitUntil(Promise.all(Object.keys(FILES).map(load)));
  if (event.data === "take over") event.waitUntil(worker.skipWaiting());
});
worker.addEventListener("fetch", (event) => {
  const path = pathOf(event.request);
  if (path !== undefined) event.respondWith(respond(path));
});

/** Takes unchanged files from older versions, and loads what the page needs to start and what they had cached. */
async function install(): Promise<void> {
  const cached = new Set<string>();
  for (const name of await versions()) {
    for (const { url } of await (await caches.open(name)).keys()) cached.add(url.slice(scope.length).split("?")[0]);
  }
  await Promise.all(Object.keys(FILES).map((path) => (EARLY.includes(path) || cached.has(path) ? load(path) : keep(path))));
}

/** Removes older versions. */
async function activate(): Promise<void> {
  for (const name of await versions()) if (name !== NAME) await caches.delete(name);
  await worker.clients.claim();
}

async function respond(path: string): Promise<Response> {
  try {
    return await load(path);
  } catch {
    return Response.error(); // offline, or the host has another version by now
  }
}

/** Returns a file from the cache; loads it into the cache first if it isn't there. */
async function load(path: string): Promise<Response> {
  const kept = await keep(path);
  if (kept) return kept;
  const begun = loading.get(path) ?? download(path);
  loading.set(path, begun);
  try {
    return (await begun).clone();
  } finally {
    loading.delete(path);
  }
}

/** Returns a file from the cache of this version, or moves it there from that of an older version. */
async function keep(path: string): Promise<Response | undefined> {
  const cache = await caches.open(NAME);
  const own = await cache.match(key(path));
  if (own) return own;
  const older = await caches.match(key(path));
  if (older) await cache.put(key(path), older.clone());
  return older;
}

async function download(path: string): Promise<Response> {
  const url = new URL(path === "index.html" ? "./" : path, scope);
  const response = await fetch(url, { integrity: FILES[path], cache: "no-cache" });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const headers = new Headers({ ...HEADERS, "Content-Type": response.headers.get("Content-Type") ?? "" });
  const own = new Response(await response.blob(), { headers });
  await (await caches.open(NAME)).put(key(path), own.clone());
  return own;
}

async function versions(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX));
}

function key(path: string): string {
  return new URL(`${path}?${encodeURIComponent(FILES[path])}`, scope).href;
}

/** Returns the path of one of the page's files, or `undefined` for other requests. */
function pathOf({ method, url }: Request): string | undefined {
  const { href } = Object.assign(new URL(url), { search: "", hash: "" });
  if (method !== "GET" || !href.startsWith(scope)) return undefined;
  const path = decodeURI(href.slice(scope.length)) || "index.html";
  return Object.hasOwn(FILES, path) ? path : undefined;
}
