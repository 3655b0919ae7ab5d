// Selects the hardware that runs the networks.

/** The graphics card, or a number of CPU threads. */
export type Engine = "graphics" | number;

const MAX_THREADS = 8; // more make tiles of this size no faster

/** Returns the fastest engine of this browser, or the requested one: "graphics", "processor" or "one-thread". */
export async function chooseEngine(requested?: string): Promise<Engine> {
  if (requested === "graphics") return "graphics";
  if (requested === undefined) {
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    if (adapter && !adapter.info.isFallbackAdapter) return "graphics";
  }
  // Threads need shared memory, which browsers allow only if headers isolate the page.
  if (!globalThis.crossOriginIsolated || requested === "one-thread") return 1;
  return Math.max(1, Math.min(navigator.hardwareConcurrency, MAX_THREADS));
}
