// The headers that the page's files should have. The service worker adds them where the host doesn't send them.

/** The page loads only its own files and what it made itself; nothing is evaluated but WebAssembly. */
const POLICY = {
  "default-src": "'none'",
  "script-src": "'self' 'wasm-unsafe-eval'",
  "style-src": "'self'",
  "img-src": "'self' blob:",
  "connect-src": "'self' blob:",
  "worker-src": "'self'",
  "manifest-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'none'",
};

/** For a `<meta>` element. */
export const META_POLICY = write(POLICY);

export const HEADERS: Record<string, string> = {
  // These two isolate the page, which allows WebAssembly to use several threads.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": write({ ...POLICY, "frame-ancestors": "'none'" }),
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

function write(policy: Record<string, string>): string {
  return Object.entries(policy)
    .map(([name, sources]) => `${name} ${sources}`)
    .join("; ");
}
