// The page: what the user can do, and what they see.

import sampleImage from "../../docs/lighthouse.png?url";
import { chooseEngine, type Engine } from "./engine";
import { Upscaler } from "./upscaler";
import { readHeader, Refusal } from "./header";
import { hush, label, say, type Key, type Message, type Values } from "./i18n";
import { offerLanguages } from "./language";
import { receiveImages } from "./input";
import { checkSize } from "./limits";
import { Choice } from "./choice";
import { loadMethods, type Method, type Routes } from "./networks";
import { inWords, Progress } from "./progress";
import { workOffline } from "./offline/register";
import { linkTo, readSettings, writeSettings } from "./settings";
import { control } from "./viewer/controls";
import { Viewer } from "./viewer/viewer";

type State = "empty" | "working" | "done" | "stopped";

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const bar = document.querySelector("progress")!;
const download = element<HTMLAnchorElement>("download");
const address = new URLSearchParams(location.search); // ?engine=..., ?network=...

const { language, ...settings } = readSettings(location.hash);
await offerLanguages(element("language"), language, remember);

const viewer = new Viewer(element("stage"), element("divider"), (percent, fitting) => {
  say(element("zoom"), "zoom.percent", { percent });
  label(element("zoom"), fitting ? "zoom.fitting" : "zoom.actual", { percent });
});

let image: { file: Blob; name: string; width: number; height: number; isNoisyJpeg: boolean } | undefined;
let progress: Progress | undefined;

const { methods, routes } = await loadMethods().catch((): { methods: Method[]; routes?: Routes } => ({ methods: [] }));
if (methods.length === 0) {
  complain("page.incomplete");
  throw new Error("networks/index.json or a file that it lists is missing");
}
const choice = new Choice(
  element<HTMLSelectElement>("method"),
  element("scales"),
  methods,
  () => {
    remember();
    if (image) begin();
    else show("empty");
  },
  address.get("network"),
  settings,
);
const engine = await chooseEngine(address.get("engine") ?? undefined);
showEngine(engine);

const upscaler = new Upscaler(engine, await chooseEngine("processor"), {
  started: (width, height) => viewer.clear(width, height),
  compared: ({ pixels, y }) => viewer.putBefore(pixels, 0, y),
  piece(piece) {
    viewer.putAfter(piece.pixels, piece.x, piece.y);
    progress?.update(piece.done);
  },
  finished: finish,
  failed(message) {
    if (message) image = undefined; // it can't be read, so starting again is useless
    show(message ? "empty" : "stopped");
    explain(message ?? { key: "work.failed" });
  },
  async moved() {
    showEngine(await chooseEngine("processor"));
    say(element("notice"), "engine.moved");
  },
});

control(viewer, element("compare"));
receiveImages(element("file"), take, complain);
element("choose").onclick = element("another").onclick = () => element("file").click();
element("sample").onclick = async () => take(await (await fetch(sampleImage)).blob(), "lighthouse.png");
element("share").onclick = share;
element("cancel").onclick = stop;
element("again").onclick = begin;
element("in").onclick = () => viewer.zoomIn();
element("out").onclick = () => viewer.zoomOut();
element("zoom").onclick = () => viewer.toggle();
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.dataset.state === "working") stop();
});
addEventListener("hashchange", () => {
  choice.apply(readSettings(location.hash));
  if (image) begin();
});
show("empty");
setInterval(tick, 200);
workOffline(
  () => document.body.dataset.state === "empty",
  (takeOver) => {
    element("update").hidden = false;
    element("update").querySelector("button")!.onclick = takeOver;
  },
);

/** Takes a new image. Until it is known to be one, the page doesn't change. */
async function take(file: Blob, name: string): Promise<void> {
  try {
    const { width, height, quality } = await readHeader(file);
    checkSize({ width, height }, choice.scale);
    image = { file, name, width, height, isNoisyJpeg: quality !== undefined && quality < routes!.jpeg_below };
    begin();
  } catch (error) {
    explain(error instanceof Refusal ? error : { key: "file.unreadable" });
  }
}

function begin(): void {
  if (!image) return;
  try {
    checkSize(image, choice.scale);
  } catch (error) {
    return explain(error as Refusal);
  }
  const { width, height, file } = image;
  const network = choice.network(image.isNoisyJpeg);
  viewer.clear(width * network.scale, height * network.scale);
  progress = new Progress(width * height * network.work);
  show("working");
  announce("work.started", { name: image.name });
  tick();
  viewer.putOriginal(file);
  upscaler.start(file, { url: network.url, scale: network.scale, receptiveField: network.receptiveField });
}

function stop(): void {
  upscaler.stop();
  show("stopped");
  complain("work.stopped");
}

function finish(result: Blob, seconds: number): void {
  const { name, width, height } = image!;
  const { scale } = choice;
  if (download.href) URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(result);
  download.download = `${name.replace(/\.[^.]*$/, "")}-${scale}x.png`;
  element("facts").dataset.seconds = seconds.toFixed(3);
  show("done");
  announce("work.done", { width: width * scale, height: height * scale });
}

function show(state: State): void {
  document.body.dataset.state = state;
  const hasImage = image !== undefined;
  element("welcome").hidden = hasImage;
  element("viewer").hidden = !hasImage;
  for (const part of document.querySelectorAll<HTMLElement>(".needs-image")) part.hidden = !hasImage;
  element("progress").hidden = state !== "working";
  element("message").hidden = true;
  if (state !== "done") {
    download.removeAttribute("href");
    download.setAttribute("aria-disabled", "true");
  } else {
    download.removeAttribute("aria-disabled");
  }
  const { key, values } = image ? facts(image) : choice.hint;
  say(element("facts"), key, values);
}

function facts({ width, height, isNoisyJpeg }: { width: number; height: number; isNoisyJpeg: boolean }): Message {
  const { scale } = choice;
  const values = { width, height, newWidth: width * scale, newHeight: height * scale };
  const cleaned = isNoisyJpeg && choice.network(true) !== choice.network(false);
  return { key: cleaned ? "work.size.jpeg" : "work.size", values };
}

/** Says what went wrong, and offers to start again if that may help. */
function complain(key: Key, values?: Values): void {
  element("message").hidden = false;
  say(element("message").querySelector("p")!, key, values);
  element("again").hidden = document.body.dataset.state !== "stopped";
}

function explain({ key, values }: Message): void {
  complain(key, values);
}

/** Keeps the settings in the address, so that a reload or a bookmark has them. */
function remember(): void {
  const language = element<HTMLSelectElement>("language").value;
  history.replaceState(null, "", location.pathname + location.search + writeSettings({ ...choice.settings, language }));
}

/** Copies a link with the method and the scale. */
async function share(): Promise<void> {
  const link = linkTo(choice.settings);
  try {
    await navigator.clipboard.writeText(link);
    say(element("share"), "share.copied");
    announce("share.copied");
    setTimeout(() => say(element("share"), "share.copy"), 2000);
  } catch {
    history.replaceState(null, "", link); // no access to the clipboard
    complain("share.address");
  }
}

let announced = 0;

function tick(): void {
  if (document.body.dataset.state !== "working" || !progress) return;
  const part = progress.part();
  bar.value = part;
  const { key, values } = inWords(part, progress.left());
  say(element("time"), key, values);
  const quarter = Math.floor(4 * part);
  if (quarter > announced) announce(key, values);
  announced = quarter;
}

function announce(key: Key, values?: Values): void {
  say(element("announcer"), key, values);
}

function showEngine(engine: Engine): void {
  hush(element("notice"));
  if (engine === "graphics") say(element("engine"), "engine.graphics");
  else say(element("engine"), "engine.threads", { count: engine });
}
