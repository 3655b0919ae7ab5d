// Shows two images of the same size on top of each other, with a divider, and moves and zooms both.

import { text } from "./i18n";
import type { Pixels as AnyPixels, Shallow } from "./image/pixels";

type Pixels = AnyPixels<Shallow>;

const MAX_ZOOM = 32; // screen pixels per image pixel
const MAX_FIT = 8;
const STEP = 1.5; // per press of a zoom button

export class Viewer {
  private width = 1;
  private height = 1;
  private zoom = 1; // CSS pixels per image pixel
  private left = 0; // position of the image on the stage, in CSS pixels
  private top = 0;
  private fitting = true;
  private divided = 0.5; // position of the divider within the visible part of the image
  private readonly before: HTMLCanvasElement;
  private readonly after: HTMLCanvasElement;

  constructor(
    private readonly stage: HTMLElement,
    private readonly divider: HTMLElement,
    private readonly zoomed: (percent: number, fitting: boolean) => void,
  ) {
    [this.before, this.after] = stage.querySelectorAll("canvas");
    new ResizeObserver(() => this.resized()).observe(stage);
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.key(event));
    this.listenToPointers();
    this.listenToDivider();
  }

  /** Clears both images, and sets their size. */
  clear(width: number, height: number): void {
    const same = width === this.width && height === this.height;
    [this.width, this.height] = [width, height];
    for (const canvas of [this.before, this.after]) {
      canvas.width = width;
      canvas.height = height;
    }
    if (!same) this.fit();
    else this.draw();
  }

  putBefore(pixels: Pixels, x: number, y: number): void {
    put(this.before, pixels, x, y);
  }

  putAfter(pixels: Pixels, x: number, y: number): void {
    put(this.after, pixels, x, y);
  }

  fit(): void {
    this.fitting = true;
    const { clientWidth, clientHeight } = this.stage;
    const room = Math.min((clientWidth - 32) / this.width, (clientHeight - 32) / this.height);
    this.zoom = Math.max(Math.min(room, MAX_FIT), 1e-3);
    this.left = (clientWidth - this.width * this.zoom) / 2;
    this.top = (clientHeight - this.height * this.zoom) / 2;
    this.draw();
  }

  /** Switches between the whole image and one screen pixel per image pixel. */
  toggle(): void {
    if (this.fitting) this.zoomTo(1 / devicePixelRatio);
    else this.fit();
  }

  zoomIn(): void {
    this.zoomTo(this.zoom * STEP);
  }

  zoomOut(): void {
    this.zoomTo(this.zoom / STEP);
  }

  private zoomTo(zoom: number, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2): void {
    const least = Math.min(24 / Math.max(this.width, this.height), 1);
    const bounded = Math.min(Math.max(zoom, least), MAX_ZOOM / devicePixelRatio);
    this.left = x - ((x - this.left) * bounded) / this.zoom;
    this.top = y - ((y - this.top) * bounded) / this.zoom;
    this.zoom = bounded;
    this.fitting = false;
    this.draw();
  }

  private moveBy(x: number, y: number): void {
    this.left += x;
    this.top += y;
    this.fitting = false;
    this.draw();
  }

  private resized(): void {
    if (this.fitting) this.fit();
    else this.draw();
  }

  private draw(): void {
    const { clientWidth, clientHeight } = this.stage;
    this.left = bounded(this.left, this.width * this.zoom, clientWidth);
    this.top = bounded(this.top, this.height * this.zoom, clientHeight);
    const pixelated = this.zoom * devicePixelRatio >= 2;
    for (const canvas of [this.before, this.after]) {
      canvas.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.zoom})`;
      canvas.style.imageRendering = pixelated ? "pixelated" : "auto";
    }
    const [low, high] = this.visible();
    const at = low + (high - low) * this.divided;
    this.stage.style.setProperty("--divided", `${at}px`);
    const percent = Math.round(100 * this.divided);
    this.divider.setAttribute("aria-valuenow", String(percent));
    this.divider.setAttribute("aria-valuetext", text("viewer.divided", { before: percent, after: 100 - percent }));
    this.zoomed(Math.round(100 * this.zoom * devicePixelRatio), this.fitting);
  }

  /** Returns the left and right end of the visible part of the image. */
  private visible(): [number, number] {
    return [Math.max(this.left, 0), Math.min(this.left + this.width * this.zoom, this.stage.clientWidth)];
  }

  private divide(part: number): void {
    this.divided = Math.min(Math.max(part, 0), 1);
    this.draw();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const [x, y] = this.position(event);
    this.zoomTo(this.zoom * 2 ** (-event.deltaY / (event.ctrlKey ? 100 : 400)), x, y);
  }

  private key(event: KeyboardEvent): void {
    if (event.target !== this.stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.moveBy(60, 0),
      ArrowRight: () => this.moveBy(-60, 0),
      ArrowUp: () => this.moveBy(0, 60),
      ArrowDown: () => this.moveBy(0, -60),
      "+": () => this.zoomIn(),
      "=": () => this.zoomIn(),
      "-": () => this.zoomOut(),
      "0": () => this.fit(),
      "1": () => this.zoomTo(1 / devicePixelRatio),
    };
    act(event, moves);
  }

  /** One pointer moves the images, two zoom them. */
  private listenToPointers(): void {
    const pointers = new Map<number, [number, number]>();
    const { stage } = this;
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.divider.contains(event.target as Node)) return;
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, this.position(event));
    });
    stage.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const now = this.position(event);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) this.zoomTo((this.zoom * distance(now, other)) / distance(last, other), ...other);
      else this.moveBy(now[0] - last[0], now[1] - last[1]);
      pointers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel"] as const) {
      stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    stage.addEventListener("dblclick", () => this.toggle());
  }

  private listenToDivider(): void {
    const { divider } = this;
    divider.addEventListener("pointerdown", (event) => {
      if (event.button === 0) divider.setPointerCapture(event.pointerId);
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const [low, high] = this.visible();
      this.divide((this.position(event)[0] - low) / (high - low));
    });
    divider.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      act(event, {
        ArrowLeft: () => this.divide(this.divided - step),
        ArrowDown: () => this.divide(this.divided - step),
        ArrowRight: () => this.divide(this.divided + step),
        ArrowUp: () => this.divide(this.divided + step),
        PageDown: () => this.divide(this.divided - 0.1),
        PageUp: () => this.divide(this.divided + 0.1),
        Home: () => this.divide(0),
        End: () => this.divide(1),
      });
    });
  }

  private position(event: MouseEvent): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

/** Returns an edge's position: centered if the stage is longer, otherwise without gaps. */
function bounded(edge: number, length: number, stage: number): number {
  if (length <= stage) return (stage - length) / 2;
  return Math.min(0, Math.max(stage - length, edge));
}

function act(event: KeyboardEvent, actions: Record<string, () => void>): void {
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

function distance([x, y]: [number, number], [u, v]: [number, number]): number {
  return Math.max(Math.hypot(x - u, y - v), 1);
}

function put(canvas: HTMLCanvasElement, { data, width, height }: Pixels, x: number, y: number): void {
  canvas.getContext("2d")!.putImageData(new ImageData(data, width, height), x, y);
}
