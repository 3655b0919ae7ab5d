// Decodes a file to its stored values: no conversion to the screen's colors, not premultiplied by alpha, upright.

import { letters } from "./bytes";
import { orientationOf } from "./exif";
import type { Header } from "./header";
import { upright } from "./orientation";
import { peakOf, type Kind, type Pixels } from "./pixels";
import { decodeDeepPng } from "./png-reader";
import { Refusal } from "./refusal";

/** Decodes an image whose header has been read. */
export async function decode(file: Blob, header: Header): Promise<{ pixels: Pixels; kind: Kind }> {
  const pixels = await read(file, header);
  const space = header.profile && letters(header.profile, 16, 4); // of its colors: "RGB ", "GRAY", "CMYK"
  const gray = header.gray ?? (space !== "RGB " && isGray(pixels));
  const fits = space === (gray ? "GRAY" : "RGB ") || (gray && space === "RGB ");
  const { alpha, exif } = header;
  return { pixels, kind: { gray, alpha, profile: fits ? header.profile : undefined, exif } };
}

async function read(file: Blob, header: Header): Promise<Pixels> {
  const { exifChunk: chunk, format } = header;
  if (header.depth === 16) return upright(await decodeDeepPng(file, header), orientationOf(header.exif));
  const orientation = chunk ? orientationOf(header.exif) : 1; // of others, every browser sees to it
  const plain = chunk && orientation > 1 ? withoutChunk(file, chunk, format === "PNG") : file;
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(plain, {
      premultiplyAlpha: "none",
      colorSpaceConversion: format === "HEIC" || format === "AVIF" ? "default" : "none", // their profiles aren't read
      imageOrientation: "from-image",
    });
  } catch {
    throw format === "HEIC" || format === "AVIF"
      ? new Refusal("file.codec", { kind: format })
      : new Refusal("file.damaged");
  }
  const pixels = values(bitmap, header.alpha);
  bitmap.close();
  return upright(pixels, orientation);
}

/** Returns the file without its EXIF, so that no decoder obeys its orientation; only the chunk's name if it has to stay. */
function withoutChunk(file: Blob, { from, to }: { from: number; to: number }, whole: boolean): Blob {
  const start = file.slice(0, from);
  return whole ? new Blob([start, file.slice(to)]) : new Blob([start, "NONE", file.slice(from + 4)]);
}

function values(bitmap: ImageBitmap, alpha: boolean): Pixels {
  if (!alpha) return throughCanvas(bitmap);
  try {
    return throughWebGL(bitmap);
  } catch {
    return throughCanvas(bitmap); // less exact colors where alpha is small
  }
}

/** Exact for opaque images; a canvas premultiplies colors by alpha. */
function throughCanvas(bitmap: ImageBitmap): Pixels {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close(); // this and the canvas take as much memory as the image
  const data = context.getImageData(0, 0, width, height).data as Uint8ClampedArray<ArrayBuffer>;
  canvas.width = canvas.height = 0;
  return { width, height, data };
}

/** Exact for transparent images, too. */
function throughWebGL(bitmap: ImageBitmap): Pixels {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl) throw new Error("no WebGL");
  if (Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) throw new RangeError("too large for a texture");
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const data = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return { width, height, data: new Uint8ClampedArray(data.buffer) };
}

function isGray({ data }: Pixels): boolean {
  for (let i = 0; i < data.length; i += 4) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  return true;
}

/** Whether every pixel is opaque. */
export function isOpaque(image: Pixels): boolean {
  const { data } = image;
  const peak = peakOf(image);
  for (let i = 3; i < data.length; i += 4) if (data[i] !== peak) return false;
  return true;
}
