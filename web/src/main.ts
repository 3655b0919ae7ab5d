// The page: what the user can do, and what they see.

import sampleImage from "../../demo/harbour.png?url";
import { chooseEngine, type Engine } from "./engine";
import { Upscaler } from "./upscaler";
import { readHeader, Refusal } from "./header";
import { receiveImages } from "./input";
import { checkSize } from "./limits";
import { Choice } from "./choice";
import { loadMethods, type Method, type Routes } from "./networks";
import { inWords, Progress } from "./progress";
import { Viewer } from "./viewer";

type State = "empty" | "working" | "done" | "stopped";

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const bar = document.querySelector("progress")!;
const download = element<HTMLAnchorElement>("download");
const address = new URLSearchParams(location.search); // ?engine=..., ?network=...

const viewer = new Viewer(element("stage"), element("divider"), (percent, fitting) => {
  element("zoom").textContent = `${percent} %`;
  element("zoom").setAttribute("aria-label", fitting ? `${percent} %: show pixel by pixel` : `${percent} %: fit`);
});

let image: { file: Blob; name: string; width: number; height: number; isNoisyJpeg: boolean } | undefined;
let progress: Progress | undefined;

const { methods, routes } = await loadMethods().catch((): { methods: Method[]; routes?: Routes } => ({ methods: [] }));
if (methods.length === 0) {
  complain("Part of this page is missing: its networks can't be loaded.");
  throw new Error("networks/index.json or a file that it lists is missing");
}
const choice = new Choice(
  element<HTMLSelectElement>("method"),
  element("scales"),
  methods,
  () => (image ? begin() : show("empty")),
  address.get("network"),
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
    complain(message ?? "Upscaling failed, perhaps for lack of memory. Try a smaller image.");
  },
  async moved() {
    showEngine(await chooseEngine("processor"));
    element("notice").textContent = "The graphics card could not do this, so the CPU does it instead.";
  },
});

receiveImages(element("file"), take, complain);
element("choose").onclick = element("another").onclick = () => element("file").click();
element("sample").onclick = async () => take(await (await fetch(sampleImage)).blob(), "harbour.png");
element("cancel").onclick = stop;
element("again").onclick = begin;
element("in").onclick = () => viewer.zoomIn();
element("out").onclick = () => viewer.zoomOut();
element("zoom").onclick = () => viewer.toggle();
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.dataset.state === "working") stop();
});
show("empty");
setInterval(tick, 200);

/** Takes a new image. Until it is known to be one, the page doesn't change. */
async function take(file: Blob, name: string): Promise<void> {
  try {
    const { width, height, quality } = await readHeader(file);
    checkSize({ width, height }, choice.scale);
    image = { file, name, width, height, isNoisyJpeg: quality !== undefined && quality < routes!.jpeg_below };
    begin();
  } catch (error) {
    complain(error instanceof Refusal ? error.message : "This file can't be read.");
  }
}

function begin(): void {
  if (!image) return;
  try {
    checkSize(image, choice.scale);
  } catch (error) {
    return complain((error as Error).message);
  }
  const { width, height, file } = image;
  const network = choice.network(image.isNoisyJpeg);
  viewer.clear(width * network.scale, height * network.scale);
  progress = new Progress(width * height * network.work);
  show("working");
  announce(`Upscaling ${image.name}`);
  tick();
  upscaler.start(file, { url: network.url, scale: network.scale, receptiveField: network.receptiveField });
}

function stop(): void {
  upscaler.stop();
  show("stopped");
  complain("Stopped.");
}

function finish(result: Blob, seconds: number): void {
  const { name, width, height } = image!;
  const { scale } = choice;
  if (download.href) URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(result);
  download.download = `${name.replace(/\.[^.]*$/, "")}-${scale}x.png`;
  element("facts").dataset.seconds = seconds.toFixed(3);
  show("done");
  announce(`Done: ${width * scale} by ${height * scale} pixels. The PNG can be downloaded.`);
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
  element("facts").textContent = image ? facts(image) : choice.hint;
}

function facts({ width, height, isNoisyJpeg }: { width: number; height: number; isNoisyJpeg: boolean }): string {
  const { scale } = choice;
  const size = `${width} × ${height} → ${width * scale} × ${height * scale}`;
  return isNoisyJpeg && choice.network(true) !== choice.network(false) ? `${size}, JPEG artifacts removed` : size;
}

/** Says what went wrong, and offers to start again if that may help. */
function complain(text: string): void {
  element("message").hidden = false;
  element("message").querySelector("p")!.textContent = text;
  element("again").hidden = document.body.dataset.state !== "stopped";
}

let announced = 0;

function tick(): void {
  if (document.body.dataset.state !== "working" || !progress) return;
  const part = progress.part();
  bar.value = part;
  element("time").textContent = `${Math.floor(100 * part)} %${inWords(progress.left())}`;
  const quarter = Math.floor(4 * part);
  if (quarter > announced) announce(`${25 * quarter} %${inWords(progress.left())}`);
  announced = quarter;
}

function announce(text: string): void {
  element("announcer").textContent = text;
}

function showEngine(engine: Engine): void {
  element("notice").textContent = "";
  const threads = engine === 1 ? "1 thread" : `${engine} threads`;
  element("engine").textContent = engine === "graphics" ? "Runs on your graphics card" : `Runs on ${threads}`;
}
