// The images to upscale: one after another, each with its state and result.

import type { Message } from "./i18n";
import { LARGE } from "./image/limits";
import type { Output } from "./image/writer";
import type { Engine } from "./network/engine";
import type { Request } from "./network/routes";
import { Upscaler } from "./network/upscaler";
import type { Piece } from "./network/upscale";

export type State = "waiting" | "working" | "done" | "failed" | "stopped";

/** An image in the queue. */
export interface Item {
  file: File;
  /** The folders that it was in, and its name. */
  path: string;
  state: State;
  /** The fraction that is done. */
  done: number;
  /** Multiply-adds, once they are known. */
  work?: number;
  result?: { blob: Blob; width: number; height: number; path: string; seconds: number };
  /** Why it failed, if that is known. */
  message?: Message;
}

/** How to upscale, and how to store. */
export interface Options {
  request: Request;
  output: Output;
  /** Returns the path of the result. */
  rename(path: string): string;
}

export interface Watch {
  /** An image's state or progress changed. */
  changed(item: Item): void;
  /** The size of the result that is being made is known. */
  started(item: Item, width: number, height: number): void;
  piece(item: Item, piece: Piece): void;
  /** The graphics card failed, and the CPU takes over. */
  moved(): void;
  /** Nothing is left to do. */
  finished(): void;
}

export class Queue {
  readonly items: Item[] = [];
  private current?: Item;
  private size = { width: 0, height: 0 };
  private readonly upscaler: Upscaler;

  constructor(
    engine: Engine,
    fallback: Engine,
    private readonly options: () => Options,
    private readonly watch: Watch,
  ) {
    this.upscaler = new Upscaler(engine, fallback, {
      started: (width, height, work) => {
        this.size = { width, height };
        this.update({ work });
        this.watch.started(this.current!, width, height);
      },
      piece: (piece) => this.watch.piece(this.current!, piece),
      progress: (done) => this.update({ done }),
      finished: (blob, seconds) => {
        const path = this.options().rename(this.current!.path);
        this.end({ state: "done", done: 1, result: { blob, ...this.size, path, seconds } });
      },
      failed: (message) => this.end({ state: "failed", message }),
      moved: () => this.watch.moved(),
    });
  }

  get isBusy(): boolean {
    return this.current !== undefined;
  }

  get finished(): Item[] {
    return this.items.filter(({ state }) => state === "done");
  }

  /** The fraction of all work that is done. */
  get done(): number {
    const over = this.items.filter(({ state }) => state !== "waiting" && state !== "working").length;
    return this.items.length === 0 ? 0 : (over + (this.current?.done ?? 0)) / this.items.length;
  }

  add(files: { file: File; path: string }[]): Item[] {
    const added = files.map(({ file, path }): Item => ({ file, path, state: "waiting", done: 0 }));
    this.items.push(...added);
    this.next();
    return added;
  }

  /** Forgets all images, and stops. */
  clear(): void {
    this.stopCurrent("stopped");
    this.items.length = 0;
  }

  /** Upscales all images, or those in one of the given states, again. */
  restart(states: State[] = ["working", "done", "failed", "stopped"]): void {
    if (states.includes("working")) this.stopCurrent("waiting");
    for (const item of this.items) {
      if (states.includes(item.state))
        Object.assign(item, { state: "waiting", done: 0, result: undefined, message: undefined });
    }
    this.next();
  }

  /** Stops an image that waits or is being upscaled, or all of them. */
  stop(item?: Item): void {
    for (const each of item ? [item] : this.items) {
      if (each.state !== "waiting") continue;
      each.state = "stopped";
      this.watch.changed(each);
    }
    if (!item || item === this.current) this.stopCurrent("stopped");
    this.next();
  }

  private stopCurrent(state: State): void {
    if (!this.current) return;
    this.upscaler.stop();
    Object.assign(this.current, { state, done: 0 });
    this.watch.changed(this.current);
    this.current = undefined;
  }

  private next(): void {
    if (this.current) return;
    this.current = this.items.find(({ state }) => state === "waiting");
    if (!this.current) {
      if (this.size.width * this.size.height > LARGE) this.upscaler.rest();
      this.watch.finished();
      return;
    }
    this.update({ state: "working" });
    const { request, output } = this.options();
    this.upscaler.start(this.current.file, request, output);
  }

  private update(changes: Partial<Item>): void {
    Object.assign(this.current!, changes);
    this.watch.changed(this.current!);
  }

  private end(changes: Partial<Item>): void {
    this.update(changes);
    this.current = undefined;
    this.next();
  }
}
