// Shows an image before and after upscaling, on top of each other with a divider or side by side, and zooms both.

import { say, text, type Key } from "../i18n";
import type { Pixels as AnyPixels, Shallow } from "../image/pixels";
import { Loupe } from "./loupe";

type Pixels = AnyPixels<Shallow>;

const MAX_ZOOM = 32; // screen pixels per image pixel
const MAX_FIT = 8;
const STEP = 1.5; // per press of a zoom button

/** What is shown as the image before: upscaled by bicubic interpolation, or its own pixels. */
export type Before = "bicubic" | "nearest";
export type Layout = "divided" | "side by side";

export const BEFORE: Record<Before, Key> = { bicubic: "before.bicubic", nearest: "before.nearest" };

/** A drawn image, and its pixels per pixel of the result. */
export interface Layer {
  canvas: HTMLCanvasElement;
  density: number;
}

export class Viewer {
  private width = 1; // of the result
  private height = 1;
  private zoom = 1; // CSS pixels per image pixel
  private left = 0; // position of the image on its pane, in CSS pixels
  private top = 0;
  private fitting = true;
  private divided = 0.5; // position of the divider within the visible part of the image
  private shown: Before = "bicubic";
  private arranged: Layout = "divided";
  private readonly canvases: Record<Before | "after", HTMLCanvasElement>;
  private readonly loupe: Loupe;

  constructor(
    readonly stage: HTMLElement,
    readonly divider: HTMLElement,
    private readonly zoomed: (percent: number, fitting: boolean) => void,
  ) {
    const [bicubic, nearest, after] = stage.querySelectorAll<HTMLCanvasElement>(".layer canvas");
    this.canvases = { bicubic, nearest, after };
    this.loupe = new Loupe(stage.querySelector("#loupe")!);
    new ResizeObserver(() => this.resized()).observe(stage);
    document.addEventListener("translated", () => this.draw());
    this.before = "bicubic";
  }

  /** Clears all images, and sets the size of the result. */
  clear(width: number, height: number): void {
    const same = width === this.width && height === this.height;
    [this.width, this.height] = [width, height];
    const { bicubic, nearest, after } = this.canvases;
    nearest.width = nearest.height = 1; // until its size is known
    for (const canvas of [bicubic, after]) {
      canvas.width = width;
      canvas.height = height;
    }
    if (!same) this.fit();
    else this.draw();
  }

  /** Takes the original, whose own pixels can be compared with the result. */
  putOriginal(pixels: Pixels): void {
    const { nearest } = this.canvases;
    [nearest.width, nearest.height] = [pixels.width, pixels.height];
    put(nearest, pixels, 0, 0);
    this.draw();
  }

  putBefore(pixels: Pixels, x: number, y: number): void {
    put(this.canvases.bicubic, pixels, x, y);
  }

  putAfter(pixels: Pixels, x: number, y: number): void {
    put(this.canvases.after, pixels, x, y);
  }

  get before(): Before {
    return this.shown;
  }

  set before(before: Before) {
    this.shown = before;
    for (const kind of ["bicubic", "nearest"] as const) this.canvases[kind].parentElement!.hidden = kind !== before;
    say(this.stage.querySelector<HTMLElement>(".tag.left")!, BEFORE[before]);
    this.draw();
  }

  get layout(): Layout {
    return this.arranged;
  }

  /** Side by side, both images begin with one screen pixel per image pixel. */
  set layout(layout: Layout) {
    if (layout === this.arranged) return;
    this.arranged = layout;
    this.stage.classList.toggle("side-by-side", layout === "side by side");
    if (layout === "side by side") this.zoomTo(1 / devicePixelRatio);
    else this.fit();
  }

  /** Shows only the image before, as long as a key or a button is held. */
  hold(held: boolean): void {
    this.stage.classList.toggle("holding", held);
  }

  /** Shows both images magnified around a point of the stage, or its center; `null` closes the loupe. */
  magnify(point?: [number, number] | null): void {
    if (point === null) return this.loupe.close();
    const [width, height] = this.pane();
    const [x, y] = point ?? [width / 2, height / 2];
    const at: [number, number] = [(x - this.left) / this.zoom, (y - this.top) / this.zoom];
    const layer = (canvas: HTMLCanvasElement): Layer => ({ canvas, density: canvas.width / this.width });
    const place: [number, number] = [x, y];
    this.loupe.show(place, at, this.zoom, layer(this.canvases[this.shown]), layer(this.canvases.after));
  }

  get magnifying(): boolean {
    return this.loupe.open;
  }

  fit(): void {
    this.fitting = true;
    const [width, height] = this.pane();
    const room = Math.min((width - 32) / this.width, (height - 32) / this.height);
    this.zoom = Math.max(Math.min(room, MAX_FIT), 1e-3);
    this.left = (width - this.width * this.zoom) / 2;
    this.top = (height - this.height * this.zoom) / 2;
    this.draw();
  }

  /** Switches between the whole image and one screen pixel per image pixel. */
  toggle(): void {
    if (this.fitting) this.actual();
    else this.fit();
  }

  actual(): void {
    this.zoomTo(1 / devicePixelRatio);
  }

  zoomIn(): void {
    this.zoomBy(STEP);
  }

  zoomOut(): void {
    this.zoomBy(1 / STEP);
  }

  /** Zooms around a point of the stage. */
  zoomBy(factor: number, point?: [number, number]): void {
    this.zoomTo(this.zoom * factor, point);
  }

  moveBy(x: number, y: number): void {
    this.left += x;
    this.top += y;
    this.fitting = false;
    this.draw();
  }

  /** Moves the divider to a place of the stage, in CSS pixels. */
  divideAt(x: number): void {
    const [low, high] = this.visible();
    this.divide((x - low) / (high - low));
  }

  divideBy(part: number): void {
    this.divide(this.divided + part);
  }

  private divide(part: number): void {
    this.divided = Math.min(Math.max(part, 0), 1);
    this.draw();
  }

  /** Returns a pointer's position on the pane that it is over. */
  position({ clientX, clientY }: { clientX: number; clientY: number }): [number, number] {
    const box = this.stage.getBoundingClientRect();
    const x = clientX - box.left - this.stage.clientLeft;
    const [width] = this.pane();
    return [x >= width ? x - width : x, clientY - box.top - this.stage.clientTop];
  }

  private zoomTo(zoom: number, [x, y]: [number, number] = this.center()): void {
    const least = Math.min(24 / Math.max(this.width, this.height), 1);
    const limited = Math.min(Math.max(zoom, least), MAX_ZOOM / devicePixelRatio);
    this.left = x - ((x - this.left) * limited) / this.zoom;
    this.top = y - ((y - this.top) * limited) / this.zoom;
    this.zoom = limited;
    this.fitting = false;
    this.draw();
  }

  /** Returns the size of the part of the stage that shows one image. */
  private pane(): [number, number] {
    const { clientWidth, clientHeight } = this.stage;
    return [this.arranged === "divided" ? clientWidth : clientWidth / 2, clientHeight];
  }

  private center(): [number, number] {
    const [width, height] = this.pane();
    return [width / 2, height / 2];
  }

  private resized(): void {
    if (this.fitting) this.fit();
    else this.draw();
  }

  private draw(): void {
    const [width, height] = this.pane();
    this.left = bounded(this.left, this.width * this.zoom, width);
    this.top = bounded(this.top, this.height * this.zoom, height);
    for (const canvas of Object.values(this.canvases)) {
      const [x, y] = [(this.zoom * this.width) / canvas.width, (this.zoom * this.height) / canvas.height];
      canvas.style.transform = `translate(${this.left}px, ${this.top}px) scale(${x}, ${y})`;
      const least = canvas === this.canvases.nearest ? 1 : 2;
      canvas.style.imageRendering = x * devicePixelRatio >= least ? "pixelated" : "auto";
    }
    const [low, high] = this.visible();
    this.stage.style.setProperty("--divided", `${low + (high - low) * this.divided}px`);
    const percent = Math.round(100 * this.divided);
    this.divider.setAttribute("aria-valuenow", String(percent));
    this.divider.setAttribute("aria-valuetext", text("viewer.divided", { before: percent, after: 100 - percent }));
    this.zoomed(Math.round(100 * this.zoom * devicePixelRatio), this.fitting);
  }

  /** Returns the left and right end of the visible part of the image. */
  private visible(): [number, number] {
    return [Math.max(this.left, 0), Math.min(this.left + this.width * this.zoom, this.pane()[0])];
  }
}

/** Returns an edge's position: centered if the pane is longer, otherwise without gaps. */
function bounded(edge: number, length: number, pane: number): number {
  if (length <= pane) return (pane - length) / 2;
  return Math.min(0, Math.max(pane - length, edge));
}

function put(canvas: HTMLCanvasElement, { data, width, height }: Pixels, x: number, y: number): void {
  canvas.getContext("2d")!.putImageData(new ImageData(data, width, height), x, y);
}
