// What the page says: progress, messages, and announcements for screen readers.

import { hush, say, type Key, type Message, type Values } from "./i18n";
import type { Engine } from "./network/engine";
import { inWords, Progress } from "./progress";
import type { Item, Queue } from "./queue";

const element = (id: string) => document.getElementById(id)!;
const bar = document.querySelector("progress")!;

/** Says what went wrong, and offers to start again if that may help. */
export function explain({ key, values }: Message, canRestart = false): void {
  element("message").hidden = false;
  say(element("message").querySelector("p")!, key, values);
  element("again").hidden = !canRestart;
}

export function announce(key: Key, values?: Values): void {
  say(element("announcer"), key, values);
}

export function showEngine(engine: Engine): void {
  hush(element("notice"));
  if (engine === "graphics") say(element("engine"), "engine.graphics");
  else say(element("engine"), "engine.threads", { count: engine });
}

/** Shows the progress of a queue. */
export class Meter {
  private progress?: Progress;
  private announced = 0;

  constructor(private readonly queue: Queue) {
    setInterval(() => this.tick(), 200);
  }

  /** An image's work begins. */
  begin(work: number): void {
    this.progress = new Progress(work);
    this.announced = 0;
    this.tick();
  }

  update(item: Item): void {
    if (item.done > 0) this.progress?.update(item.done);
  }

  tick(): void {
    if (!this.queue.isBusy) return;
    const { items, done } = this.queue;
    const part = this.progress?.part() ?? 0;
    const current = items.find(({ state }) => state === "working");
    bar.value = items.length > 1 ? done + (part - (current?.done ?? 0)) / items.length : part;
    if (items.length > 1) {
      const number = items.indexOf(current!) + 1;
      say(element("time"), "batch.progress", { number, count: items.length, percent: Math.floor(100 * part) });
      return;
    }
    const { key, values } = inWords(part, this.progress?.left());
    say(element("time"), key, values);
    const quarter = Math.floor(4 * part);
    if (quarter > this.announced) announce(key, values);
    this.announced = quarter;
  }
}
