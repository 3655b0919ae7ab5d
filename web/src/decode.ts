// Decodes a file to its stored values: no conversion to the screen's colors, not premultiplied by alpha, upright.

import { Refusal, type Header } from "./header";
import type { Kind, Pixels } from "./pixels";

const RAW: ImageBitmapOptions = { premultiplyAlpha: "none", colorSpaceConversion: "none" };

/** Decodes an image whose header has been read. */
export async function decode(file: Blob, header: Header): Promise<{ pixels: Pixels; kind: Kind }> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { ...RAW, imageOrientation: "from-image" });
  } catch {
    throw new Refusal("file.damaged");
  }
  const pixels = read(bitmap, header.alpha);
  bitmap.close();
  const space = profileSpace(header.profile);
  const gray = header.gray ?? (space !== "RGB " && isGray(pixels));
  const fits = space === (gray ? "GRAY" : "RGB ") || (gray && space === "RGB ");
  return { pixels, kind: { gray, alpha: header.alpha, profile: fits ? header.profile : undefined } };
}

function read(bitmap: ImageBitmap, alpha: boolean): Pixels {
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
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  return { width, height, data: context.getImageData(0, 0, width, height).data as Pixels["data"] };
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

/** Returns the color space of a profile: "RGB ", "GRAY", "CMYK". */
function profileSpace(profile?: Uint8Array): string {
  return profile ? String.fromCharCode(...profile.subarray(16, 20)) : "";
}

function isGray({ data }: Pixels): boolean {
  for (let i = 0; i < data.length; i += 4) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  return true;
}
