// Receives images that are dropped, pasted or chosen.

import type { Key } from "./i18n";

/** Calls `take` with a file, or `complain` if there is none or more than one. */
export function receiveImages(
  input: HTMLInputElement,
  take: (file: Blob, name: string) => void,
  complain: (key: Key) => void,
): void {
  const receive = (files: Iterable<File> | null | undefined) => {
    const [file, ...others] = files ?? [];
    if (others.length > 0) complain("input.several");
    else if (file) take(file, file.name || "image.png");
    else complain("input.none");
  };
  input.addEventListener("change", () => {
    if (input.files?.length) receive(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  addEventListener("paste", (event) => receive(event.clipboardData?.files));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    receive(event.dataTransfer?.files);
  });
}
