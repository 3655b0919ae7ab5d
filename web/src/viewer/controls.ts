// The buttons below the viewer: what is compared, and how.

import { listen } from "./gestures";
import type { Before, Viewer } from "./viewer";

/** Connects the viewer with its buttons, pointers, and keys. */
export function control(viewer: Viewer, bar: HTMLElement): void {
  const [before] = bar.querySelectorAll("select");
  const [hold, layout, loupe] = ["hold", "layout", "magnify"].map((id) => bar.querySelector<HTMLElement>(`#${id}`)!);
  const show = () => {
    before.value = viewer.before;
    layout.setAttribute("aria-pressed", String(viewer.layout === "side by side"));
    loupe.setAttribute("aria-pressed", String(viewer.magnifying));
  };
  const actions = {
    before() {
      viewer.before = viewer.before === "bicubic" ? "nearest" : "bicubic";
      show();
    },
    layout() {
      viewer.layout = viewer.layout === "divided" ? "side by side" : "divided";
      show();
    },
    loupe() {
      viewer.magnify(viewer.magnifying ? null : undefined);
      show();
    },
  };
  before.addEventListener("change", () => (viewer.before = before.value as Before));
  layout.addEventListener("click", actions.layout);
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
