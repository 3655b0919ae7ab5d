// Shows an image before and after upscaling, on top of each other with a divider or side by side, and zooms both.
//
// Positions on a pane are those of the result. Only the original at its own size is elsewhere; the middle of its pane
// shows the same point as the middle of the result's.

import { say, text, type Key } from "../i18n";
import { LARGE } from "../image/limits";
import type { Pixels as AnyPixels, Shallow } from "../image/pixels";
import { Loupe } from "./loupe";

type Pixels = AnyPixels<Shallow>;

const MAX_ZOOM = 32; // screen pixels per image pixel
const MAX_FIT = 8;
const STEP = 1.5; // per press of a zoom button

/** What is shown as the image before: upscaled by bicubic interpolation, or its own pixels. */
export type Before = "bicubic" | "nearest";
/** How they are arranged; in "own sizes", the original is beside the result, both with the same screen pixels per pixel. */
export type Layout = "divided" | "side by side" | "own sizes";

const BEFORE: Record<Before, Key> = { bicubic: "before.bicubic", nearest: "before.nearest" };

/** Where a pointer is. */
export type Point = Pick<PointerEvent, "clientX" | "clientY">;

/** A rectangle of a pane, in CSS pixels. */
interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

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
  private chosen: Before = "bicubic";
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
    // Browsers hold up to three copies of a canvas that changes on the screen: a large one appears when it's complete.
    bicubic.hidden = width * height > LARGE;
    if (!same) this.fit();
    else this.draw();
  }

  /** Takes the original, whose own pixels can be compared with the result, when the bicubic image is complete. */
  putOriginal(pixels: Pixels): void {
    const { bicubic, nearest } = this.canvases;
    bicubic.hidden = false;
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
    return this.chosen;
  }

  set before(before: Before) {
    this.chosen = before;
    this.showBefore();
    this.draw();
  }

  get layout(): Layout {
    return this.arranged;
  }

  /** Beside each other, both images begin with one screen pixel per image pixel. */
  set layout(layout: Layout) {
    if (layout === this.arranged) return;
    const [x, y] = this.center();
    this.arranged = layout;
    const [u, v] = this.center();
    [this.left, this.top] = [this.left + u - x, this.top + v - y];
    this.stage.classList.toggle("side-by-side", layout !== "divided");
    this.showBefore();
    if (layout === "divided") this.fit();
    else this.actual();
  }

  /** Shows only the image before, as long as a key or a button is held. */
  hold(held: boolean): void {
    this.stage.classList.toggle("holding", held);
  }

  /** Shows both images magnified around a pointer, or the center of the pane; `null` closes the loupe. */
  magnify(pointer?: Point | null): void {
    if (pointer === null) return this.loupe.close();
    const place = pointer ? this.onStage(pointer) : this.center();
    const [x, y] = pointer ? this.position(pointer) : place;
    const at: [number, number] = [(x - this.left) / this.zoom, (y - this.top) / this.zoom];
    const layer = (canvas: HTMLCanvasElement): Layer => ({ canvas, density: canvas.width / this.width });
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

  /** Moves both images, so that the one under a pointer follows it. */
  drag(from: Point, to: Point): void {
    const rate = this.isLeft(from) ? (this.width * this.zoom) / this.area(this.canvases[this.shown]).width : 1;
    this.moveBy(rate * (to.clientX - from.clientX), rate * (to.clientY - from.clientY));
  }

  /** Moves the divider to a pointer. */
  divideAt(pointer: Point): void {
    const [low, high] = this.visible();
    this.divide((this.onStage(pointer)[0] - low) / (high - low));
  }

  divideBy(part: number): void {
    this.divide(this.divided + part);
  }

  private divide(part: number): void {
    this.divided = Math.min(Math.max(part, 0), 1);
    this.draw();
  }

  /** Returns the place on the result's pane of what is under a pointer. */
  position(pointer: Point): [number, number] {
    const [x, y] = this.onStage(pointer);
    if (!this.isLeft(pointer)) return [x - this.pane()[0], y];
    const { left, top, width, height } = this.area(this.canvases[this.shown]);
    const [wide, tall] = [this.width * this.zoom, this.height * this.zoom];
    return [this.left + ((x - left) * wide) / width, this.top + ((y - top) * tall) / height];
  }

  private onStage({ clientX, clientY }: Point): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [clientX - box.left - this.stage.clientLeft, clientY - box.top - this.stage.clientTop];
  }

  /** Whether a pointer is over the only pane, or the left one of two. */
  private isLeft(pointer: Point): boolean {
    return this.onStage(pointer)[0] < this.pane()[0];
  }

  /** The kind of image before that the layout shows. */
  private get shown(): Before {
    return this.arranged === "own sizes" ? "nearest" : this.chosen;
  }

  private showBefore(): void {
    for (const kind of ["bicubic", "nearest"] as const) this.canvases[kind].parentElement!.hidden = kind !== this.shown;
    const tag = this.stage.querySelector<HTMLElement>(".tag.left")!;
    say(tag, this.arranged === "own sizes" ? "before.original" : BEFORE[this.chosen]);
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
      const area = this.area(canvas);
      const [x, y] = [area.width / canvas.width, area.height / canvas.height];
      canvas.style.transform = `translate(${area.left}px, ${area.top}px) scale(${x}, ${y})`;
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

  /** Returns where an image is on its pane. */
  private area(canvas: HTMLCanvasElement): Area {
    const { left, top, zoom } = this;
    const [wide, tall] = [this.width * zoom, this.height * zoom];
    if (this.arranged !== "own sizes" || canvas !== this.canvases.nearest) return { left, top, width: wide, height: tall };
    const [width, height] = [canvas.width * zoom, canvas.height * zoom];
    const pane = this.pane();
    const [x, y] = this.center();
    return {
      left: bounded(x - ((x - left) * width) / wide, width, pane[0]),
      top: bounded(y - ((y - top) * height) / tall, height, pane[1]),
      width,
      height,
    };
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
