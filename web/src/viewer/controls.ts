// The buttons below the viewer: what is compared, and how.

import { listen } from "./gestures";
import type { Before, Layout, Viewer } from "./viewer";

/** Connects the viewer with its buttons, pointers, and keys. */
export function control(viewer: Viewer, bar: HTMLElement): void {
  const [before] = bar.querySelectorAll("select");
  const [hold, sideBySide, ownSizes, loupe] = ["hold", "side-by-side", "own-sizes", "magnify"].map(
    (id) => bar.querySelector<HTMLElement>(`#${id}`)!,
  );
  const show = () => {
    before.value = viewer.before;
    before.disabled = viewer.layout === "own sizes"; // where it changes nothing
    sideBySide.setAttribute("aria-pressed", String(viewer.layout === "side by side"));
    ownSizes.setAttribute("aria-pressed", String(viewer.layout === "own sizes"));
    loupe.setAttribute("aria-pressed", String(viewer.magnifying));
  };
  const toggle = (layout: Layout) => {
    viewer.layout = viewer.layout === layout ? "divided" : layout;
    show();
  };
  const actions = {
    before() {
      if (before.disabled) return;
      viewer.before = viewer.before === "bicubic" ? "nearest" : "bicubic";
      show();
    },
    sideBySide: () => toggle("side by side"),
    ownSizes: () => toggle("own sizes"),
    loupe() {
      viewer.magnify(viewer.magnifying ? null : undefined);
      show();
    },
  };
  before.addEventListener("change", () => (viewer.before = before.value as Before));
  sideBySide.addEventListener("click", actions.sideBySide);
  ownSizes.addEventListener("click", actions.ownSizes);
  loupe.addEventListener("click", actions.loupe);
  for (const start of ["pointerdown", "keydown"]) {
    hold.addEventListener(start, (event) => {
      if (event instanceof KeyboardEvent && event.key !== " " && event.key !== "Enter") return;
      viewer.hold(true);
    });
  }
  for (const end of ["pointerup", "pointercancel", "pointerleave", "keyup", "blur"]) {
    hold.addEventListener(end, () => viewer.hold(false));
  }
  listen(viewer, actions);
  show();
}
