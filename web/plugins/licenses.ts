// Writes the page of licenses: those of all packages that the page depends on, and of this project.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Plugin } from "vite";

interface Package {
  name: string;
  version: string;
  license: string;
  dependencies?: Record<string, string>;
}

/** Texts that packages don't contain, by name; `web/notices.py` writes them. */
const NOTICES = "notices";

const WITHOUT_TEXT = ["guid-typescript"];

/** Replaces `<!-- licenses -->` in licenses.html. */
export function licenses(root: string): Plugin {
  return {
    name: "licenses",
    transformIndexHtml: (html) => html.replace("<!-- licenses -->", () => sections(root).join("\n")),
  };
}

function sections(root: string): string[] {
  const own = readFileSync(join(root, "../LICENSE"), "utf8");
  return [
    section("wdsr_tf, with its networks", "Apache-2.0", own),
    ...packages(root).map((found) => section(`${found.name} ${found.version}`, found.license, text(root, found))),
  ];
}

/** Returns the packages that package.json names, and all that these depend on. */
function packages(root: string): Package[] {
  const found = new Map<string, Package>();
  const visit = (names: string[]) => {
    for (const name of names.filter((name) => !found.has(name) && !name.startsWith("@types/"))) {
      const data: Package = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
      found.set(name, data);
      visit(Object.keys(data.dependencies ?? {}));
    }
  };
  visit(Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).dependencies));
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function text(root: string, { name, license }: Package): string {
  const folder = join(root, "node_modules", name);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => !path.includes("node_modules"));
  const found = files.filter((path) => /^(licen[sc]e|copying)/i.test(basename(path))).sort((a, b) => a.length - b.length);
  const texts = new Set(found.map((path) => readFileSync(join(folder, path), "utf8").trim())); // such as of a codec within
  if (texts.size > 0) return [...texts].join("\n\n");
  const notice = join(root, NOTICES, `${name.replace("/", "-")}.txt`);
  if (existsSync(notice)) return readFileSync(notice, "utf8");
  if (WITHOUT_TEXT.includes(name)) return `Its package names the license ${license}, and doesn't contain the text.`;
  throw new Error(`${name} has no license file. Put its license (${license}) into web/${NOTICES}/${name}.txt`);
}

function section(name: string, license: string, text: string): string {
  return `<details><summary>${escape(name)} <span>${escape(license)}</span></summary><pre tabindex="0">${escape(text.trim())}</pre></details>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
