// Shows one image of the queue before and after upscaling: while it is made, or when it is done.

import { LARGE } from "./image/limits";
import type { Pixels, Shallow } from "./image/pixels";
import { Comparer } from "./network/upscaler";
import type { Piece } from "./network/upscale";
import type { Item } from "./queue";
import type { Viewer } from "./viewer/viewer";

const ROWS = 512; // of a result that are copied at a time

export class Preview {
  item?: Item;
  /** Whether the user looks at a finished image, so that the next one must not take its place. */
  isPinned = false;
  private readonly comparer = new Comparer();

  constructor(private readonly viewer: Viewer) {}

  /** Shows the image whose result begins to be made; if that's large, the comparison waits until the network is done. */
  started(item: Item, width: number, height: number): void {
    this.item = item;
    this.viewer.clear(width, height);
    this.comparer.stop();
    if (width * height <= LARGE || item.result) this.compare(item, width, height);
  }

  finished(item: Item): void {
    const { width, height } = item.result!;
    if (item === this.item && width * height > LARGE) this.compare(item, width, height);
  }

  piece(item: Item, { x, y, pixels }: Piece): void {
    if (item === this.item) this.viewer.putAfter(pixels, x, y);
  }

  /** Shows a finished image. */
  async open(item: Item): Promise<void> {
    if (!item.result) return;
    this.isPinned = true;
    const { blob, width, height } = item.result;
    this.started(item, width, height);
    const bitmap = await createImageBitmap(blob);
    for (let y = 0; y < height && this.item === item; y += ROWS) {
      this.viewer.putAfter(rowsOf(bitmap, y, Math.min(ROWS, height - y)), 0, y);
    }
    bitmap.close();
  }

  close(): void {
    this.item = undefined;
    this.isPinned = false;
    this.comparer.stop();
  }

  private compare({ file }: Item, width: number, height: number): void {
    this.comparer.start({ file, width, height }, (compared) => {
      if (compared.type === "rows") this.viewer.putBefore(compared.pixels, 0, compared.y);
      else this.viewer.putOriginal(compared.pixels);
    });
  }
}

function rowsOf(bitmap: ImageBitmap, y: number, height: number): Pixels<Shallow> {
  const { width } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, -y);
  return { width, height, data: context.getImageData(0, 0, width, height).data as Shallow };
}
