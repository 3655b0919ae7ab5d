// What computes.

/** The graphics card, or so many threads of the processor. */
export type Engine = "graphics" | number;

const MOST_THREADS = 8; // beyond that, tiles of this size gain nothing

/** The best that this browser offers; `wanted` ("graphics", "processor" or "one-thread") forces one. */
export async function chooseEngine(wanted?: string): Promise<Engine> {
  if (wanted === "graphics") return "graphics";
  if (wanted === undefined) {
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    if (adapter && !adapter.info.isFallbackAdapter) return "graphics";
  }
  // Threads share memory, which a browser allows where headers isolate the page from others.
  if (!globalThis.crossOriginIsolated || wanted === "one-thread") return 1;
  return Math.max(1, Math.min(navigator.hardwareConcurrency, MOST_THREADS));
}
