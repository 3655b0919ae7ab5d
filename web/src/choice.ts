// The method and the scale that the user picks.

import { say, type Message } from "./i18n";
import type { Method, Network } from "./networks";
import type { Settings } from "./settings";

export class Choice {
  private current: Method;
  private size: Method["sizes"][number];

  /** `network` is the name of the network to begin with. */
  constructor(
    private readonly select: HTMLSelectElement,
    private readonly scales: HTMLElement,
    private readonly methods: Method[],
    private readonly changed: () => void,
    network: string | null,
    settings: Settings,
  ) {
    const sizeOf = ({ sizes }: Method) => sizes.find(({ clean }) => clean.name === network);
    this.current = methods.find(sizeOf) ?? methods[0];
    this.size = sizeOf(this.current) ?? this.current.sizes[0];
    for (const { id, title } of methods) {
      const option = new Option("", id);
      say(option, title.key, title.values);
      select.add(option);
    }
    select.addEventListener("change", () => this.pick(methods[select.selectedIndex], this.scale));
    scales.addEventListener("change", (event) =>
      this.pick(this.current, Number((event.target as HTMLInputElement).value)),
    );
    this.apply(settings);
  }

  /** Changes to the method and the scale of a link, as far as they exist. */
  apply({ method, scale }: Settings): void {
    this.current = this.methods.find(({ id }) => id === method) ?? this.current;
    this.size = this.current.sizes.find((size) => String(size.scale) === scale) ?? this.sizeLike(this.scale);
    this.show();
  }

  get settings(): Settings {
    return { method: this.current.id, scale: String(this.scale) };
  }

  get scale(): number {
    return this.size.scale;
  }

  get hint(): Message {
    return this.current.hint;
  }

  /** Returns the network for an image, which may be a JPEG with artifacts. */
  network(isNoisyJpeg: boolean): Network {
    return isNoisyJpeg ? this.size.jpeg : this.size.clean;
  }

  private pick(method: Method, scale: number): void {
    this.current = method;
    this.size = this.sizeLike(scale);
    this.show();
    this.changed();
  }

  private sizeLike(scale: number): Method["sizes"][number] {
    const { sizes } = this.current;
    return sizes.find((size) => size.scale === scale) ?? sizes[0];
  }

  private show(): void {
    for (const label of this.scales.querySelectorAll("label")) label.remove();
    for (const { scale } of [...this.current.sizes].sort((a, b) => a.scale - b.scale)) {
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "scale";
      input.value = String(scale);
      input.checked = scale === this.scale;
      const label = document.createElement("label");
      label.append(input, `${scale} ×`);
      this.scales.append(label);
      if (input.checked && this.scales.contains(document.activeElement)) input.focus();
    }
    this.select.selectedIndex = this.methods.indexOf(this.current);
  }
}
