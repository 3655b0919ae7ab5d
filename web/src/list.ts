// The list of images, if there are several: shows each one's state, and lets it be shown, canceled or downloaded.

import { label, say, type Key } from "./i18n";
import type { Item, State } from "./queue";

const WORDS: Record<State, Key> = {
  waiting: "list.waiting",
  working: "list.working",
  done: "list.done",
  failed: "list.failed",
  stopped: "list.stopped",
};

interface Row {
  row: HTMLElement;
  name: HTMLButtonElement;
  state: HTMLElement;
  stop: HTMLButtonElement;
  save: HTMLButtonElement;
}

export class List {
  private readonly rows = new Map<Item, Row>();

  constructor(
    private readonly list: HTMLElement,
    private readonly actions: { show(item: Item): void; stop(item: Item): void; save(item: Item): void },
  ) {}

  /** Lists exactly these images. */
  set(items: Item[]): void {
    this.rows.clear();
    this.list.replaceChildren(...items.map((item) => this.rowFor(item)));
    for (const item of items) this.update(item);
  }

  /** Shows an image's state. */
  update(item: Item): void {
    const found = this.rows.get(item);
    if (!found) return;
    const { row, name, state, stop, save } = found;
    row.dataset.state = item.state;
    const percent = Math.floor(100 * item.done);
    if (item.message) say(state, item.message.key, item.message.values);
    else say(state, WORDS[item.state], { percent });
    name.disabled = item.state !== "done";
    stop.hidden = item.state !== "waiting" && item.state !== "working";
    save.hidden = item.state !== "done";
  }

  /** Marks the image that is shown. */
  mark(shown?: Item): void {
    for (const [item, { name }] of this.rows) name.ariaCurrent = item === shown ? "true" : null;
  }

  private rowFor(item: Item): HTMLElement {
    const row = document.createElement("li");
    const name = button(item.path, () => this.actions.show(item));
    const state = document.createElement("span");
    const stop = button("×", () => this.actions.stop(item));
    const save = button("↓", () => this.actions.save(item));
    label(name, "list.show", { name: item.path });
    label(stop, "list.stop", { name: item.path });
    label(save, "list.save", { name: item.path });
    name.className = "name";
    row.append(name, state, stop, save);
    this.rows.set(item, { row, name, state, stop, save });
    return row;
  }
}

function button(text: string, act: () => void): HTMLButtonElement {
  const created = document.createElement("button");
  created.type = "button";
  created.textContent = text;
  created.onclick = act;
  return created;
}
