// The page: connects what the user can do to the queue, and the queue to what they see.

import sampleImage from "../../docs/lighthouse.png?url";
import { Choice } from "./choice";
import { saveAll, saveResult } from "./download";
import { label, say, type Message } from "./i18n";
import { readHeader, type Header } from "./image/header";
import { checkSize } from "./image/limits";
import { Refusal } from "./image/refusal";
import { receiveFiles, type Received } from "./input";
import { offerLanguages, speak } from "./language";
import { List } from "./list";
import { chooseEngine } from "./network/engine";
import { loadMethods } from "./network/methods";
import { ownMethod } from "./network/own";
import { routeOf, sizeOf, type Method } from "./network/routes";
import { workOffline } from "./offline/register";
import { Preview } from "./preview";
import { Queue, type Item } from "./queue";
import { linkTo, readSettings, writeSettings } from "./settings";
import { announce, explain, Meter, showEngine } from "./status";
import { control } from "./viewer/controls";
import { Viewer } from "./viewer/viewer";

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const address = new URLSearchParams(location.search); // ?engine=...
const download = element<HTMLAnchorElement>("download");

const { language, ...settings } = readSettings(location.hash);
await offerLanguages(element("language"), language, remember);

const viewer = new Viewer(element("stage"), element("divider"), (percent, fitting) => {
  say(element("zoom"), "zoom.percent", { percent });
  label(element("zoom"), fitting ? "zoom.fitting" : "zoom.actual", { percent });
});
const preview = new Preview(viewer);
const list = new List(element("list"), {
  show: open,
  stop: (item) => queue.stop(item),
  save: saveResult,
});

const headers = new WeakMap<File, Promise<Header | undefined>>();
let unfinished = true; // whether "Start again" is for the images that aren't finished, or for all

const methods = await loadMethods().catch((): Method[] => []);
if (methods.length === 0) {
  explain({ key: "page.incomplete" });
  throw new Error("networks/index.json or a file that it lists is missing");
}
const choice = new Choice(
  {
    method: element("method"),
    scales: element("scales"),
    width: element("width"),
    denoise: element("denoise"),
    format: element("format"),
    quality: element("quality"),
  },
  methods,
  changed,
  () => element("network").click(),
);
choice.apply(settings);
const engine = await chooseEngine(address.get("engine") ?? undefined);
showEngine(engine);

const queue = new Queue(engine, await chooseEngine("processor"), () => choice.options, {
  changed(item) {
    list.update(item);
    meter.update(item);
    if (item.state === "working" && item.done === 0) show();
    if (item.state === "done") preview.finished(item);
  },
  started(item, width, height) {
    meter.begin(item.work!);
    if (preview.isPinned) return;
    preview.started(item, width, height);
    list.mark(item);
    showFacts();
  },
  piece: (item, piece) => preview.piece(item, piece),
  async moved() {
    showEngine(await chooseEngine("processor"));
    say(element("notice"), "engine.moved");
  },
  finished,
});
const meter = new Meter(queue);

control(viewer, element("compare"));
receiveFiles([element("file"), element("folder"), element("network")], take, (key) => explain({ key }));
element("choose").onclick = element("another").onclick = () => element("file").click();
element("choose-folder").onclick = () => element("folder").click();
element("sample").onclick = async () => {
  take([{ file: new File([await (await fetch(sampleImage)).blob()], "lighthouse.png"), path: "lighthouse.png" }]);
};
element("share").onclick = share;
element("cancel").onclick = () => queue.stop();
element("again").onclick = () => queue.restart(unfinished ? ["failed", "stopped"] : undefined);
element("all").onclick = () => saveAll(queue.finished);
element("in").onclick = () => viewer.zoomIn();
element("out").onclick = () => viewer.zoomOut();
element("zoom").onclick = () => viewer.toggle();
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && queue.isBusy) queue.stop();
});
addEventListener("hashchange", async () => {
  const { language, ...settings } = readSettings(location.hash);
  const before = writeSettings(choice.settings);
  await speak(element("language"), language);
  choice.apply(settings);
  if (writeSettings(choice.settings) === before) remember();
  else changed();
});
show();
workOffline(
  () => queue.items.length === 0 && !choice.isOwn,
  (takeOver) => {
    element("update").hidden = false;
    element("update").querySelector("button")!.onclick = takeOver;
  },
);

/** Takes new files: networks, and images. Until a single one is known to be an image, the page doesn't change. */
async function take(files: Received[]): Promise<void> {
  try {
    const networks = files.filter(({ path }) => /\.onnx$/i.test(path));
    for (const { file, path } of networks) choice.add(await ownMethod(file, path, methods[0].routes.jpeg_below));
    const images = files.filter((received) => !networks.includes(received));
    if (images.length === 1) {
      const header = await readHeader(images[0].file);
      checkSize(header, sizeOf(header, choice.request.wish));
    }
    if (images.length > 0) enqueue(images);
  } catch (error) {
    explain(error instanceof Refusal ? error : { key: "file.unreadable" });
  }
}

/** Starts with these images; adds them to a batch that isn't finished. */
function enqueue(images: Received[]): void {
  if (!queue.isBusy || queue.items.length === 1) {
    queue.clear();
    preview.close();
  }
  for (const { path } of images.slice(0, 1)) announce("work.started", { name: path });
  queue.add(images);
  list.set(queue.items);
  show();
}

/** The user picked something else: a single image starts again, and of several those that wait. */
function changed(): void {
  remember();
  unfinished = false;
  if (queue.items.length === 1) queue.restart();
  show();
  if (queue.items.length > 1 && !queue.isBusy) explain({ key: "batch.changed" }, true);
}

function finished(): void {
  unfinished = true;
  const [only, ...others] = queue.items;
  show();
  if (!only) return;
  if (others.length > 0) {
    announce("batch.finished", { done: queue.finished.length, count: queue.items.length });
    return;
  }
  if (only.state === "done") {
    announce("work.done", { width: only.result!.width, height: only.result!.height });
  } else if (only.state === "failed" && only.message) {
    const { message } = only; // it can't be read, so starting again is useless
    queue.clear();
    preview.close();
    show();
    explain(message);
  } else {
    explain({ key: only.state === "stopped" ? "work.stopped" : "work.failed" }, true);
  }
}

/** Shows a finished image; if it's shown already, the images that are being upscaled are shown again. */
function open(item: Item): void {
  if (preview.isPinned && preview.item === item) preview.isPinned = false;
  else preview.open(item);
  list.mark(item);
  showFacts();
}

/** Shows what belongs to the queue's state. */
function show(): void {
  const { items, isBusy, finished } = queue;
  const state = items.length === 0 ? "empty" : isBusy ? "working" : finished.length > 0 ? "done" : "stopped";
  document.body.dataset.state = state;
  element("welcome").hidden = state !== "empty";
  element("viewer").hidden = state === "empty";
  element("batch").hidden = items.length < 2;
  for (const part of document.querySelectorAll<HTMLElement>(".needs-image")) part.hidden = state === "empty";
  element("progress").hidden = !isBusy;
  element("message").hidden = true;
  showDownloads();
  showFacts();
}

function showDownloads(): void {
  const several = queue.items.length > 1;
  const result = several ? undefined : queue.items[0]?.result;
  download.hidden = several;
  element("all").hidden = !several;
  element<HTMLButtonElement>("all").disabled = queue.finished.length === 0;
  if (download.href) URL.revokeObjectURL(download.href);
  if (result) {
    download.href = URL.createObjectURL(result.blob);
    download.download = result.path.split("/").at(-1)!;
    download.removeAttribute("aria-disabled");
    element("facts").dataset.seconds = result.seconds.toFixed(3);
  } else {
    download.removeAttribute("href");
    download.setAttribute("aria-disabled", "true");
  }
}

async function showFacts(): Promise<void> {
  const item = preview.item ?? queue.items[0];
  const { key, values } = item ? await facts(item) : choice.hint;
  if (item === (preview.item ?? queue.items[0])) say(element("facts"), key, values);
}

async function facts({ file, result }: Item): Promise<Message> {
  if (!headers.has(file))
    headers.set(
      file,
      readHeader(file).catch(() => undefined),
    );
  const header = await headers.get(file);
  if (!header) return choice.hint;
  const size = result ?? sizeOf(header, choice.request.wish);
  const values = { width: header.width, height: header.height, newWidth: size.width, newHeight: size.height };
  const [first] = routeOf(header, choice.request);
  const [usual] = routeOf({ ...header, quality: undefined }, choice.request);
  return { key: first !== usual ? "work.size.jpeg" : "work.size", values };
}

/** Keeps the settings in the address, so that a reload or a bookmark has them. */
function remember(): void {
  const language = element<HTMLSelectElement>("language").value;
  history.replaceState(null, "", location.pathname + location.search + writeSettings({ ...choice.settings, language }));
}

/** Copies a link with the settings. */
async function share(): Promise<void> {
  const link = linkTo(choice.settings);
  try {
    await navigator.clipboard.writeText(link);
    say(element("share"), "share.copied");
    announce("share.copied");
    setTimeout(() => say(element("share"), "share.copy"), 2000);
  } catch {
    history.replaceState(null, "", link); // no access to the clipboard
    explain({ key: "share.address" });
  }
}
