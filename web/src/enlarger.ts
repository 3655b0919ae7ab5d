// The workers as the page sees them: one picture at a time, stopped at once, and moved off a graphics card that fails.

import type { Piece } from "./enlarge";
import type { Comparison, Order, Report, Rows } from "./messages";
import type { Engine } from "./engine";

export interface Listener {
  started(width: number, height: number): void;
  compared(rows: Rows): void;
  piece(piece: Piece): void;
  finished(result: Blob, seconds: number): void;
  /** `message` is for the person, if there is one. */
  failed(message?: string): void;
  /** The graphics card failed: the picture begins again on the processor. */
  moved(): void;
}

export class Enlarger {
  private worker?: Worker;
  private comparer?: Worker;
  private busy = false;

  /** `instead` is the engine that takes over where the first is the graphics card and fails. */
  constructor(
    private engine: Engine,
    private readonly instead: Engine,
    private readonly listener: Listener,
  ) {}

  start(file: Blob, network: Order["network"]): void {
    this.stop();
    this.busy = true;
    this.worker ??= new Worker(new URL("./enlarge.worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => this.hear(data, file, network);
    this.worker.onerror = () => this.hear({ type: "failed", error: "the worker ended" }, file, network);
    this.worker.postMessage({ file, network, engine: this.engine } satisfies Order);
  }

  /** Ends the work, if there is any, in the middle of a tile. */
  stop(): void {
    this.comparer?.terminate();
    this.comparer = undefined;
    if (!this.busy) return;
    this.worker?.terminate();
    this.worker = undefined;
    this.busy = false;
  }

  private hear(report: Report, file: Blob, network: Order["network"]): void {
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
        this.engine = this.instead;
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
