// Saves results: one image, or all as ZIP files.

import type { Item } from "./queue";
import { groups, zip } from "./zip";

const KEPT = 60_000; // milliseconds for the browser to begin

/** Saves an image's result. */
export function saveResult({ result }: Item): void {
  if (result) save(result.blob, result.path.split("/").at(-1)!);
}

/** Saves all results as one ZIP file, or as several if one can't hold them. */
export async function saveAll(items: Item[]): Promise<void> {
  const entries = items.flatMap(({ result }) => (result ? [{ path: result.path, blob: result.blob }] : []));
  const all = groups(entries);
  for (const [i, group] of all.entries()) {
    save(await zip(group), all.length === 1 ? "upscaled.zip" : `upscaled-${i + 1}.zip`);
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}
