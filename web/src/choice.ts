// The method and the size that a person picks.

import type { Network } from "./networks";

export class Choice {
  network: Network;

  constructor(
    private readonly method: HTMLSelectElement,
    private readonly scales: HTMLElement,
    private readonly networks: Network[],
    private readonly changed: () => void,
    first?: string | null,
  ) {
    this.network = networks.find(({ name }) => name === first) ?? networks[0];
    for (const title of new Set(networks.map(({ title }) => title))) method.add(new Option(title));
    method.addEventListener("change", () => this.pick(method.value, this.network.scale));
    scales.addEventListener("change", (event) =>
      this.pick(this.network.title, Number((event.target as HTMLInputElement).value)),
    );
    this.showScales();
  }

  private pick(title: string, scale: number): void {
    const same = this.networks.filter((network) => network.title === title);
    this.network = same.find((network) => network.scale === scale) ?? same[0];
    this.showScales();
    this.changed();
  }

  private showScales(): void {
    for (const label of this.scales.querySelectorAll("label")) label.remove();
    for (const { title, scale } of this.networks) {
      if (title !== this.network.title) continue;
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "scale";
      input.value = String(scale);
      input.checked = scale === this.network.scale;
      const label = document.createElement("label");
      label.append(input, `${scale} ×`);
      this.scales.append(label);
      if (input.checked && this.scales.contains(document.activeElement)) input.focus();
    }
    this.method.value = this.network.title;
  }
}
