// The three ways in which a picture comes: dropped, pasted or chosen.

/** Calls `take` with the file of a picture, or `complain` where something else came. */
export function receivePictures(
  input: HTMLInputElement,
  take: (file: Blob, name: string) => void,
  complain: (text: string) => void,
): void {
  const receive = (files: Iterable<File> | null | undefined) => {
    const [file, ...others] = files ?? [];
    if (others.length > 0) complain("One picture at a time, please.");
    else if (file) take(file, file.name || "picture.png");
    else complain("There is no picture in what was dropped or pasted.");
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
