// Bytes of files: searching, joining, and inflating what an untrusted file holds.

export type Bytes = Uint8Array<ArrayBuffer>;

/** Whether `bytes` begin with `start`, in which `#` is any byte. */
export function beginsWith(bytes: Bytes, start: string): boolean {
  return [...start].every((letter, i) => letter === "#" || bytes[i] === letter.charCodeAt(0));
}

/** Returns `length` bytes as Latin-1 letters. */
export function letters(bytes: Bytes, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

export function joined(parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Yields what zlib data inflate to; throws a RangeError beyond `limit` bytes, which a small file may claim. */
export async function* inflate(packed: Blob, limit: number): AsyncGenerator<Bytes> {
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      size += value.length;
      if (size > limit) throw new RangeError(`more than ${limit} bytes`);
      yield value as Bytes;
    }
  } finally {
    await reader.cancel().catch(() => {}); // already broken
  }
}
