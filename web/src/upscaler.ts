// Controls the workers: one image at a time, immediate stop, and the CPU if the graphics card fails.

import type { Piece } from "./upscale";
import type { Message } from "./i18n";
import type { Comparison, Order, Report, Rows } from "./messages";
import type { Engine } from "./engine";

export interface Listener {
  started(width: number, height: number): void;
  compared(rows: Rows): void;
  piece(piece: Piece): void;
  finished(result: Blob, seconds: number): void;
  /** `message` explains why, if that is known. */
  failed(message?: Message): void;
  /** The graphics card failed, and the image starts again on the CPU. */
  moved(): void;
}

export class Upscaler {
  private worker?: Worker;
  private comparer?: Worker;
  private busy = false;

  /** `fallback` is the engine that takes over if the graphics card fails. */
  constructor(
    private engine: Engine,
    private readonly fallback: Engine,
    private readonly listener: Listener,
  ) {}

  start(file: Blob, network: Order["network"]): void {
    this.stop();
    this.busy = true;
    this.worker ??= new Worker(new URL("./upscale.worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => this.receive(data, file, network);
    this.worker.onerror = () => this.receive({ type: "failed", error: "the worker stopped" }, file, network);
    this.worker.postMessage({ file, network, engine: this.engine } satisfies Order);
  }

  /** Stops the work, if there is any, even within a tile. */
  stop(): void {
    this.comparer?.terminate();
    this.comparer = undefined;
    if (!this.busy) return;
    this.worker?.terminate();
    this.worker = undefined;
    this.busy = false;
  }

  private receive(report: Report, file: Blob, network: Order["network"]): void {
    switch (report.type) {
      case "started":
        this.listener.started(report.width, report.height);
        this.compare({ file, scale: network.scale });
        break;
      case "piece":
        this.listener.piece(report.piece);
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
        this.start(file, network);
    }
  }

  private compare(comparison: Comparison): void {
    this.comparer = new Worker(new URL("./bicubic.worker.ts", import.meta.url), { type: "module" });
    this.comparer.onmessage = ({ data }: MessageEvent<Rows>) => this.listener.compared(data);
    this.comparer.postMessage(comparison);
  }
}
