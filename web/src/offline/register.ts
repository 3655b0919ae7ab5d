// Installs the service worker, which makes the page work offline, and lets a new version take over.

/**
 * Installs the service worker.
 *
 * `isIdle` tells whether the page may be reloaded at once. `updated` gets a function that changes to the new version.
 */
export async function workOffline(isIdle: () => boolean, updated: (takeOver: () => void) => void): Promise<void> {
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined; // none without HTTPS
  if (!workers || import.meta.env.DEV) return;
  const isFirst = !workers.controller;
  let wanted = false;
  workers.addEventListener("controllerchange", () => {
    // The first visit needs another load only for the headers that the host doesn't send.
    if (isFirst && crossOriginIsolated) return;
    if (wanted || isIdle()) location.reload();
  });
  try {
    const registration = await workers.register("./service-worker.js", { updateViaCache: "none" });
    const offer = (worker: ServiceWorker | null) => {
      if (!worker || !workers.controller) return;
      updated(() => {
        wanted = true;
        worker.postMessage("take over");
      });
    };
    offer(registration.waiting);
    registration.addEventListener("updatefound", () => {
      const worker = registration.installing!;
      worker.addEventListener("statechange", () => worker.state === "installed" && offer(worker));
    });
    const { active } = await workers.ready;
    const { saveData } = (navigator as { connection?: { saveData?: boolean } }).connection ?? {};
    if (!saveData) active?.postMessage("complete");
  } catch (error) {
    console.warn(`The page won't work offline: ${error}`);
  }
}
