// Receives files and folders that are dropped, pasted or chosen.

import type { Key } from "./i18n";

export interface Received {
  file: File;
  /** The folders that it was in, and its name. */
  path: string;
}

const IMAGE = /\.(png|jpe?g|jfif|webp|avif|hei[cf])$/i; // in folders, which hold other files, too
const MAX_FILES = 10_000;

/** Calls `take` with files, or `complain` if there are none. */
export function receiveFiles(
  inputs: HTMLInputElement[],
  take: (files: Received[]) => void,
  complain: (key: Key) => void,
): void {
  const receive = (files: Received[]) => (files.length > 0 ? take(files) : complain("input.none"));
  for (const input of inputs) {
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
      if (files.length > 0) receive(input.webkitdirectory ? files.filter(isImage) : files);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  addEventListener("paste", (event) => receive([...(event.clipboardData?.files ?? [])].map(named)));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const { items, files } = event.dataTransfer!;
    const entries = [...items].map((item) => item.webkitGetAsEntry?.()); // before the event is over
    const given = [...files].map(named);
    const folders = entries.filter((entry) => entry?.isDirectory) as FileSystemDirectoryEntry[];
    const loose = given.filter((_, i) => !entries[i]?.isDirectory);
    const found: Received[] = folders.length > 0 ? loose : given;
    for (const folder of folders) await collect(folder, found);
    receive(found);
  });
}

function isImage({ path }: Received): boolean {
  return IMAGE.test(path);
}

function named(file: File): Received {
  return { file, path: file.name || "image.png" };
}

/** Adds the images in a folder and the folders within. */
async function collect(folder: FileSystemDirectoryEntry, found: Received[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (found.length >= MAX_FILES) return;
      if (entry.isDirectory) await collect(entry as FileSystemDirectoryEntry, found);
      else if (IMAGE.test(entry.name)) found.push(await fileOf(entry as FileSystemFileEntry));
    }
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<Received> {
  const path = entry.fullPath.replace(/^\//, "");
  return new Promise((resolve, reject) => entry.file((file) => resolve({ file, path }), reject));
}
