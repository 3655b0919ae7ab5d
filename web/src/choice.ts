// What the user picks: the method, the size, noise reduction, and the format of the result.

import { say, type Message } from "./i18n";
import { JPEG_QUALITY, SUFFIXES, type Format, type Output } from "./image/writer";
import { OWN_PREFIX } from "./network/own";
import type { Method, Request, Wish } from "./network/routes";
import type { Options } from "./queue";
import type { Settings } from "./settings";

const FACTORS = [2, 3, 4];
const WEBP_QUALITY = 90;
const OWN = "own"; // the option that asks for a file
const FORMATS = ["png", "jpeg", "webp", "webp-lossless"];

interface Controls {
  method: HTMLSelectElement;
  scales: HTMLElement;
  width: HTMLInputElement;
  denoise: HTMLInputElement;
  format: HTMLSelectElement;
  quality: HTMLInputElement;
}

export class Choice {
  private method: Method;
  /** The value of the size: a factor, or "width". */
  private size: string;

  /** `askForNetwork` is called if the user wants to bring one. */
  constructor(
    private readonly controls: Controls,
    private readonly methods: Method[],
    private readonly changed: () => void,
    private readonly askForNetwork: () => void,
  ) {
    this.method = methods[0];
    this.size = String(this.method.routes.scale);
    const { method, scales, width, denoise, format, quality } = controls;
    method.addEventListener("change", () => this.pickMethod(method.value));
    scales.addEventListener("change", (event) => this.pickSize((event.target as HTMLInputElement).value));
    for (const control of [width, denoise, quality]) control.addEventListener("change", () => this.update());
    format.addEventListener("change", () => {
      quality.value = this.usualQuality;
      this.update();
    });
    this.show();
  }

  get hint(): Message {
    return this.method.hint;
  }

  /** What a link says of it: the method and the size always, the rest if it isn't as usual. */
  get settings(): Settings {
    const { width, denoise, format, quality } = this.controls;
    return {
      method: this.isOwn ? undefined : this.method.id,
      scale: this.size,
      width: this.size === "width" ? width.value : undefined,
      denoise: denoise.checked ? "1" : undefined,
      format: format.value === FORMATS[0] ? undefined : format.value,
      quality: quality.parentElement!.hidden ? undefined : quality.value,
    };
  }

  /** Whether the method is a file of the user's, which no link can have. */
  get isOwn(): boolean {
    return this.method.id.startsWith(OWN_PREFIX);
  }

  get request(): Request {
    return { method: this.method, wish: this.wish, denoise: this.controls.denoise.checked };
  }

  get output(): Output {
    const [format, lossless] = this.controls.format.value.split("-") as [Format, string?];
    return format === "png" || lossless ? { format } : { format, quality: this.bounded(this.controls.quality) };
  }

  /** All that decides about results, as it is now. */
  get options(): Options {
    const { request, output } = this;
    const { wish } = request;
    const ending = "width" in wish ? `${wish.width}w` : `${wish.factor}x`;
    const rename = (path: string) => `${path.replace(/\.[^./]*$/, "")}-${ending}.${SUFFIXES[output.format]}`;
    return { request, output, rename };
  }

  /** Changes to the settings of a link, as far as they exist. */
  apply({ method, scale, ...given }: Settings): void {
    const { width, denoise, format, quality } = this.controls;
    this.method = this.methods.find(({ id }) => id === method) ?? this.method;
    this.size = this.sizes.find((size) => size === scale) ?? this.fitting(this.size);
    width.value = given.width ?? width.value;
    denoise.checked = given.denoise === "1";
    format.value = FORMATS.find((name) => name === given.format) ?? FORMATS[0];
    quality.value = given.quality ?? this.usualQuality;
    this.show();
  }

  /** Adds a method and picks it; it replaces one of the same name. */
  add(method: Method): void {
    const at = this.methods.findIndex(({ id }) => id === method.id);
    if (at < 0) this.methods.push(method);
    else this.methods[at] = method;
    this.method = method;
    this.pickSize(String(method.routes.scale));
  }

  private get wish(): Wish {
    return this.size === "width" ? { width: this.bounded(this.controls.width) } : { factor: Number(this.size) };
  }

  private get usualQuality(): string {
    return String(this.controls.format.value === "jpeg" ? JPEG_QUALITY : WEBP_QUALITY);
  }

  /** The sizes that the method has; one of another scale can begin with its own. */
  private get sizes(): string[] {
    const { scale } = this.method.routes;
    if (scale === 1) return ["1"];
    return [...new Set([...FACTORS, scale])]
      .sort((a, b) => a - b)
      .map(String)
      .concat("width");
  }

  private pickMethod(id: string): void {
    const picked = this.methods.find((method) => method.id === id);
    if (!picked) {
      this.show();
      this.askForNetwork();
      return;
    }
    this.method = picked;
    this.pickSize(this.fitting(this.size));
  }

  private fitting(size: string): string {
    return this.sizes.includes(size) ? size : String(this.method.routes.scale);
  }

  private pickSize(size: string): void {
    this.size = size;
    this.update();
  }

  private update(): void {
    this.show();
    this.changed();
  }

  /** Returns the number in an input, and puts it within its bounds. */
  private bounded(input: HTMLInputElement): number {
    const value = Math.round(Number(input.value)) || Number(input.defaultValue);
    return Math.min(Math.max(value, Number(input.min)), Number(input.max));
  }

  private show(): void {
    const { method, width, denoise, format, quality } = this.controls;
    method.replaceChildren(
      ...this.methods.map(({ id, title }) => option(id, title)),
      option(OWN, { key: "method.own" }),
    );
    method.value = this.method.id;
    this.showSizes();
    width.parentElement!.hidden = this.size !== "width";
    width.value = String(this.bounded(width));
    const removes = this.method.routes.noise !== null;
    denoise.parentElement!.hidden = !removes;
    denoise.checked &&= removes;
    quality.parentElement!.hidden = format.value !== "jpeg" && format.value !== "webp";
    quality.value = String(this.bounded(quality));
  }

  private showSizes(): void {
    const { scales } = this.controls;
    const focused = scales.contains(document.activeElement);
    for (const label of scales.querySelectorAll("label")) label.remove();
    for (const size of this.sizes) {
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "scale";
      input.value = size;
      input.checked = size === this.size;
      const label = document.createElement("label");
      const name = document.createElement("span");
      if (size === "width") say(name, "size.width");
      else name.textContent = `${size} ×`;
      label.append(input, name);
      scales.append(label);
      if (input.checked && focused) input.focus();
    }
  }
}

function option(id: string, title: Message): HTMLOptionElement {
  const created = new Option("", id);
  say(created, title.key, title.values);
  return created;
}
