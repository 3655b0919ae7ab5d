// The page: what a person does, and what they see of it.

import samplePicture from "../../demo/harbour.png?url";
import { chooseEngine, type Engine } from "./engine";
import { Enlarger } from "./enlarger";
import { readHeader, Refusal } from "./header";
import { receivePictures } from "./input";
import { checkSize } from "./limits";
import { Choice } from "./choice";
import { listNetworks } from "./networks";
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

let picture: { file: Blob; name: string; width: number; height: number } | undefined;
let progress: Progress | undefined;

const networks = await listNetworks().catch(() => []);
if (networks.length === 0) {
  complain("Something of this page is missing: its networks cannot be loaded.");
  throw new Error("networks/index.json or what it lists is not there");
}
const choice = new Choice(
  element<HTMLSelectElement>("method"),
  element("scales"),
  networks,
  () => (picture ? begin() : show("empty")),
  address.get("network"),
);
const engine = await chooseEngine(address.get("engine") ?? undefined);
showEngine(engine);

const enlarger = new Enlarger(engine, await chooseEngine("processor"), {
  started: (width, height) => viewer.clear(width, height),
  compared: ({ pixels, y }) => viewer.putBefore(pixels, 0, y),
  piece(piece) {
    viewer.putAfter(piece.pixels, piece.x, piece.y);
    progress?.update(piece.done);
  },
  finished: finish,
  failed(message) {
    if (message) picture = undefined; // it cannot be read: no use to start again
    show(message ? "empty" : "stopped");
    complain(message ?? "That did not work: there may not be enough memory. A smaller picture may do.");
  },
  async moved() {
    showEngine(await chooseEngine("processor"));
    element("notice").textContent = "The graphics card could not do this; the processor does it instead.";
  },
});

receivePictures(element("file"), take, complain);
element("choose").onclick = element("another").onclick = () => element("file").click();
element("sample").onclick = async () => take(await (await fetch(samplePicture)).blob(), "harbour.png");
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

/** A new picture, if it is one. What is shown stays until then. */
async function take(file: Blob, name: string): Promise<void> {
  try {
    const { width, height } = await readHeader(file);
    checkSize({ width, height }, choice.network.scale);
    picture = { file, name, width, height };
    begin();
  } catch (error) {
    complain(error instanceof Refusal ? error.message : "This file cannot be read.");
  }
}

function begin(): void {
  if (!picture) return;
  const { network } = choice;
  try {
    checkSize(picture, network.scale);
  } catch (error) {
    return complain((error as Error).message);
  }
  const { width, height, file } = picture;
  viewer.clear(width * network.scale, height * network.scale);
  progress = new Progress(width * height * network.work);
  show("working");
  announce(`Enlarging ${picture.name}`);
  tick();
  enlarger.start(file, { url: network.url, scale: network.scale, reach: network.reach });
}

function stop(): void {
  enlarger.stop();
  show("stopped");
  complain("Stopped.");
}

function finish(result: Blob, seconds: number): void {
  const { name, width, height } = picture!;
  const { scale } = choice.network;
  if (download.href) URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(result);
  download.download = `${name.replace(/\.[^.]*$/, "")}-${scale}x.png`;
  element("facts").dataset.seconds = seconds.toFixed(3);
  show("done");
  announce(`Done: ${width * scale} by ${height * scale} pixels. The PNG can be downloaded.`);
}

function show(state: State): void {
  document.body.dataset.state = state;
  const hasPicture = picture !== undefined;
  element("welcome").hidden = hasPicture;
  element("viewer").hidden = !hasPicture;
  for (const part of document.querySelectorAll<HTMLElement>(".needs-picture")) part.hidden = !hasPicture;
  element("progress").hidden = state !== "working";
  element("message").hidden = true;
  if (state !== "done") {
    download.removeAttribute("href");
    download.setAttribute("aria-disabled", "true");
  } else {
    download.removeAttribute("aria-disabled");
  }
  const { scale } = choice.network;
  element("facts").textContent = picture
    ? `${picture.width} × ${picture.height} → ${picture.width * scale} × ${picture.height * scale}`
    : choice.network.hint;
}

/** Says what went wrong, and offers to start again where that may help. */
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
