// Runs the project's Python from the page's tests.

import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";

export const PROJECT = resolve(import.meta.dirname, "../..");
export const PYTHON = resolve(PROJECT, ".venv/bin/python");

/** The folder of the checkpoints that the page was built from. */
export const NETWORKS = resolve(PROJECT, process.env.NETWORKS ?? "wdsr_tf/weights");

/** Runs a Python script in the project's folder and returns its output. */
export async function python(...words: string[]): Promise<string> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" };
  const { stdout } = await promisify(execFile)(PYTHON, words, { cwd: PROJECT, env });
  return stdout;
}
