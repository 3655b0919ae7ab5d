// Runs the project's Python from the page's tests.

import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

export const PROJECT = resolve(import.meta.dirname, "../..");
export const PYTHON = resolve(PROJECT, ".venv/bin/python");
export const IMAGES = join(import.meta.dirname, "images.py");

/** Runs a Python script in the project's folder and returns its output. */
export async function python(...words: string[]): Promise<string> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" };
  const { stdout } = await promisify(execFile)(PYTHON, words, { cwd: PROJECT, env });
  return stdout;
}

/** Options of `wdsr_tf.Upscaler`, which are those of `wdsr-tf upscale`; an image; and what the page made of it. */
export type Case = [options: Record<string, string | number>, source: string, result: string];

/** How a result of the page compares with the command line's. */
export interface Found {
  /** Whether format, depth, gray, transparency and profile are the same. */
  alike: boolean;
  /** The largest difference, in 1/255. */
  off: number;
  size: [number, number];
  /** The EXIF of both. */
  exif: [Record<string, string>, Record<string, string>];
}

/** Upscales with the command line's code, and compares. */
export function check(cases: Case[]): Promise<Found[]> {
  return compared("check", cases);
}

/** Encodes the pixels of the page's lossless files with the command line's code, and compares with its lossy files. */
export function encode(cases: [lossless: string, lossy: string, quality: number | null][]): Promise<Found[]> {
  return compared("encode", cases);
}

async function compared(command: string, cases: unknown[]): Promise<Found[]> {
  const path = join(mkdtempSync(join(tmpdir(), "wdsr-web-")), "cases.json");
  writeFileSync(path, JSON.stringify(cases));
  return JSON.parse(await python(IMAGES, command, path));
}
