// Controls the workers: one image at a time, immediate stop, and the CPU if the graphics card fails.

import type { Message } from "../i18n";
import type { Output } from "../image/writer";
import type { Engine } from "./engine";
import { DRAWN, type Compared, type Comparison, type Order, type Report } from "./messages";
import type { Request } from "./routes";
import type { Piece } from "./upscale";

export interface Listener {
  /** `work` is in multiply-adds. */
  started(width: number, height: number, work: number): void;
  piece(piece: Piece): void;
  progress(done: number): void;
  finished(result: Blob, seconds: number): void;
  /** `message` explains why, if that is known. */
  failed(message?: Message): void;
  /** The graphics card failed, and the image starts again on the CPU. */
  moved(): void;
}

export class Upscaler {
  private worker?: Worker;
  private busy = false;

  /** `fallback` is the engine that takes over if the graphics card fails. */
  constructor(
    private engine: Engine,
    private readonly fallback: Engine,
    private readonly listener: Listener,
  ) {}

  start(file: Blob, request: Request, output: Output): void {
    this.stop();
    this.busy = true;
    const order: Order = { file, request, output, engine: this.engine };
    this.worker ??= new Worker(new URL("./upscale.worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => this.receive(data, order);
    this.worker.onerror = () => this.receive({ type: "failed", error: "the worker stopped" }, order);
    this.worker.postMessage(order);
  }

  /** Stops the work, if there is any, even within a tile. */
  stop(): void {
    if (this.busy) this.rest();
  }

  /** Frees the networks' memory; the next image opens them again. */
  rest(): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.busy = false;
  }

  private receive(report: Report, { file, request, output }: Order): void {
    switch (report.type) {
      case "started":
        this.listener.started(report.width, report.height, report.work);
        break;
      case "piece":
        this.listener.piece(report.piece);
        this.worker?.postMessage(DRAWN);
        break;
      case "progress":
        this.listener.progress(report.done);
        break;
      case "finished":
        this.busy = false;
        this.listener.finished(report.result, report.seconds);
        break;
      case "refused":
        this.stop();
        this.listener.failed(report.message);
        break;
      case "failed":
        console.warn(report.error);
        this.stop();
        if (this.engine !== "graphics") {
          this.listener.failed();
          break;
        }
        this.engine = this.fallback;
        this.listener.moved();
        this.start(file, request, output);
    }
  }
}

/** Makes what the network's result is compared with, for the last image that was asked for. */
export class Comparer {
  private worker?: Worker;

  start(comparison: Comparison, take: (compared: Compared) => void): void {
    this.stop();
    this.worker = new Worker(new URL("./bicubic.worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Compared>) => {
      if (data.type === "original") this.stop(); // the last message
      take(data);
      this.worker?.postMessage(DRAWN);
    };
    this.worker.postMessage(comparison);
  }

  stop(): void {
    this.worker?.terminate();
    this.worker = undefined;
  }
}
