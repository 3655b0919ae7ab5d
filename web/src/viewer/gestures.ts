// Pointers, the wheel, and the keyboard on the viewer.

import type { Point, Viewer } from "./viewer";

/** What keys on the stage do that buttons do, too. */
export interface Keys {
  loupe(): void;
  sideBySide(): void;
  ownSizes(): void;
  before(): void;
}

export function listen(viewer: Viewer, keys: Keys): void {
  const { stage } = viewer;
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    // Browsers report a pinch on a touchpad as a wheel with Ctrl.
    viewer.zoomBy(2 ** (-event.deltaY / (event.ctrlKey ? 100 : 400)), viewer.position(event));
    if (viewer.magnifying) viewer.magnify(event);
  }, { passive: false });
  stage.addEventListener("dblclick", () => viewer.toggle());
  listenToKeys(viewer, keys);
  listenToPointers(viewer);
  listenToDivider(viewer);
}

function listenToKeys(viewer: Viewer, keys: Keys): void {
  const { stage } = viewer;
  let held = false; // the space bar
  const actions: Record<string, () => void> = {
    ArrowLeft: () => viewer.moveBy(60, 0),
    ArrowRight: () => viewer.moveBy(-60, 0),
    ArrowUp: () => viewer.moveBy(0, 60),
    ArrowDown: () => viewer.moveBy(0, -60),
    "+": () => viewer.zoomIn(),
    "=": () => viewer.zoomIn(),
    "-": () => viewer.zoomOut(),
    "0": () => viewer.fit(),
    "1": () => viewer.actual(),
    " ": () => viewer.hold((held = true)),
    b: keys.before,
    l: keys.loupe,
    o: keys.ownSizes,
    s: keys.sideBySide,
  };
  stage.addEventListener("keydown", (event) => {
    if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
    act(event, actions);
    if (viewer.magnifying && event.key !== "l") viewer.magnify();
  });
  const release = () => {
    if (held) viewer.hold((held = false));
  };
  stage.addEventListener("keyup", (event) => event.key === " " && release());
  stage.addEventListener("blur", release);
}

/** One pointer moves the images, two zoom them. */
function listenToPointers(viewer: Viewer): void {
  const { stage, divider } = viewer;
  const pointers = new Map<number, Point>();
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || divider.contains(event.target as Node)) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
  });
  stage.addEventListener("pointermove", (event) => {
    // A finger would cover what it points at.
    if (viewer.magnifying) viewer.magnify(event.pointerType === "touch" ? undefined : event);
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) viewer.zoomBy(distance(event, other) / distance(last, other), viewer.position(other));
    else viewer.drag(last, event);
    pointers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"] as const) {
    stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
}

function listenToDivider(viewer: Viewer): void {
  const { divider } = viewer;
  divider.addEventListener("pointerdown", (event) => {
    if (event.button === 0) divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) viewer.divideAt(event);
  });
  divider.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    act(event, {
      ArrowLeft: () => viewer.divideBy(-step),
      ArrowDown: () => viewer.divideBy(-step),
      ArrowRight: () => viewer.divideBy(step),
      ArrowUp: () => viewer.divideBy(step),
      PageDown: () => viewer.divideBy(-0.1),
      PageUp: () => viewer.divideBy(0.1),
      Home: () => viewer.divideBy(-1),
      End: () => viewer.divideBy(1),
    });
  });
}

function act(event: KeyboardEvent, actions: Record<string, () => void>): void {
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}

function distance(a: Point, b: Point): number {
  return Math.max(Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), 1);
}
