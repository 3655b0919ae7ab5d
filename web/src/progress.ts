// Estimates progress and remaining time, even while the first tile runs.

import type { Message } from "./i18n";

const FIRST_GUESS = 5e9; // multiply-adds per second, before anything is known

export class Progress {
  private static rate?: number; // of the last image, in multiply-adds per second
  private readonly start = performance.now();
  private done = 0;
  private next = 1;
  private since = 0; // when the current tile began
  private seconds?: number; // estimate of the total time

  /** `work` is the number of multiply-adds for the image. */
  constructor(private readonly work: number) {
    if (Progress.rate) this.seconds = work / Progress.rate;
  }

  /** Called when a tile is finished; `done` is the fraction of the work, 0 to 1. */
  update(done: number): void {
    this.next = Math.min(1, 2 * done - this.done);
    this.done = done;
    this.since = this.elapsed();
    this.seconds = this.since / done;
    Progress.rate = this.work / this.seconds;
  }

  /** Returns the fraction that is done. Between tiles it is extrapolated, and slows down if a tile takes longer. */
  part(): number {
    const tile = this.next - this.done;
    const expected = tile * (this.seconds ?? this.work / FIRST_GUESS);
    return this.done + tile * (1 - Math.exp((-1.5 * (this.elapsed() - this.since)) / expected));
  }

  /** Returns the seconds left, once they can be estimated. */
  left(): number | undefined {
    return this.seconds && Math.max(this.seconds - this.elapsed(), this.seconds * (1 - this.next), 1);
  }

  private elapsed(): number {
    return (performance.now() - this.start) / 1000;
  }
}

/** Returns what to say of the progress and the time left, if it is known. */
export function inWords(part: number, seconds: number | undefined): Message {
  const percent = Math.floor(100 * part);
  if (seconds === undefined) return { key: "time.unknown", values: { percent } };
  if (seconds < 4) return { key: "time.soon", values: { percent } };
  const count = seconds < 20 ? Math.round(seconds) : 5 * Math.round(seconds / 5);
  if (seconds < 55) return { key: "time.seconds", values: { percent, count } };
  return { key: "time.minutes", values: { percent, count: Math.max(1, Math.round(seconds / 60)) } };
}
