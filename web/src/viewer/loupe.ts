// A loupe: the pixels around a point, before on its left and after on its right.

import type { Layer } from "./viewer";

const [WIDTH, HEIGHT] = [264, 132]; // CSS pixels
const LEAST = 6; // screen pixels per image pixel
const TIMES = 3; // as large as on the stage
const GAP = 24; // between the point and the loupe

export class Loupe {
  constructor(private readonly canvas: HTMLCanvasElement) {}

  get open(): boolean {
    return !this.canvas.hidden;
  }

  close(): void {
    this.canvas.hidden = true;
  }

  /** Shows the images around a pixel `at`, above the `place` on the stage, or below if there is no room. */
  show([x, y]: [number, number], at: [number, number], zoom: number, before: Layer, after: Layer): void {
    const { canvas } = this;
    canvas.hidden = false;
    const stage = canvas.parentElement!;
    const left = Math.min(Math.max(x - WIDTH / 2, 8), Math.max(stage.clientWidth - WIDTH - 8, 8));
    const top = y - HEIGHT - GAP < 8 ? y + GAP : y - HEIGHT - GAP;
    canvas.style.transform = `translate(${left}px, ${Math.min(top, stage.clientHeight - HEIGHT - 8)}px)`;
    [canvas.width, canvas.height] = [WIDTH * devicePixelRatio, HEIGHT * devicePixelRatio];
    const pixel = Math.max(Math.round(zoom * devicePixelRatio * TIMES), LEAST);
    const context = canvas.getContext("2d")!;
    context.imageSmoothingEnabled = false;
    const [width, height] = [canvas.width / 2, canvas.height];
    const [w, h] = [width / pixel, height / pixel]; // what one half shows, in pixels of the result
    for (const [half, { canvas: source, density }] of [before, after].entries()) {
      const [u, v] = [(at[0] - w / 2) * density, (at[1] - h / 2) * density];
      context.drawImage(source, u, v, w * density, h * density, half * width, 0, width, height);
    }
  }
}
