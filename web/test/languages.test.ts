// The texts: every language says the same things, and the page uses each of them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bestLanguage, fill, LANGUAGES, type Language } from "../src/i18n";
import { ROOT } from "./browser";

type Texts = Record<string, string | Record<string, string>>;

const FOLDER = join(ROOT, "src/languages");
const codes = Object.keys(LANGUAGES) as Language[];
const texts = Object.fromEntries(
  codes.map((code) => [code, JSON.parse(readFileSync(join(FOLDER, `${code}.json`), "utf8")) as Texts]),
);

test("there is one file for each language in the menu", () => {
  expect(readdirSync(FOLDER).sort()).toEqual(codes.map((code) => `${code}.json`).sort());
});

describe.each(codes)("%s", (code) => {
  test("has the keys of English, in the same order", () => {
    expect(Object.keys(texts[code])).toEqual(Object.keys(texts.en));
  });

  test("has the placeholders of English in each text", () => {
    for (const [key, text] of Object.entries(texts[code])) {
      // "About a minute" needs no number.
      const needed = placeholders(texts.en[key]);
      for (const form of forms(text)) {
        const found = placeholders(form);
        expect(
          found.filter((name) => !needed.includes(name)),
          key,
        ).toEqual([]);
        if (typeof text === "string" || form === text.other) expect(found, key).toEqual(needed);
      }
    }
  });

  test("has each plural form that its grammar knows, where the text depends on a count", () => {
    const { pluralCategories } = new Intl.PluralRules(code).resolvedOptions();
    for (const [key, text] of Object.entries(texts[code])) {
      expect(typeof text, key).toBe(typeof texts.en[key]);
      if (typeof text !== "string") expect(Object.keys(text).sort(), key).toEqual([...pluralCategories].sort());
    }
  });

  test("has no empty text, no stray space, and no text left in English", () => {
    for (const [key, text] of Object.entries(texts[code])) {
      for (const form of forms(text)) expect(form, key).toMatch(/^\S(.*\S)?$/s);
      const words =
        forms(text)
          .join(" ")
          .replace(/\{\w+\}|PNG|JPEG|WebP|AVIF|HEIC/g, "")
          .match(/[a-z]{4,}/g) ?? [];
      if (code !== "en" && words.length > 1) expect(text, key).not.toEqual(texts.en[key]);
    }
  });
});

test("the page uses every text", () => {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(ROOT, "src", path))
    .concat(join(ROOT, "index.html"));
  const code = files.map((path) => readFileSync(path, "utf8")).join("\n");
  expect(Object.keys(texts.en).filter((key) => !code.includes(`"${key}"`))).toEqual([]);
});

test.each([
  [["de-AT", "en"], "de"],
  [["pt-BR", "fr-CA"], "fr"],
  [["zh-TW"], "zh"],
  [["JA"], "ja"],
  [["constructor", "pt"], "en"],
  [[], "en"],
])("a browser with the languages %j gets %s", (wanted, code) => {
  expect(bestLanguage(wanted)).toBe(code);
});

test("numbers are written as the language writes them, and counts have the right form", () => {
  expect(fill("{width} × {name}", { width: 16384, name: "a {b} c" }, "en")).toBe("16384 × a {b} c");
  expect(fill("{n}", { n: 1.5 }, "de")).toBe("1,5");
  expect(fill({ one: "{count} thread", other: "{count} threads" }, { count: 1 }, "en")).toBe("1 thread");
  expect(fill({ one: "{count} thread", other: "{count} threads" }, { count: 8 }, "en")).toBe("8 threads");
  expect(fill({ other: "{count} 个" }, { count: 1 }, "zh")).toBe("1 个");
});

function forms(text: string | Record<string, string>): string[] {
  return typeof text === "string" ? [text] : Object.values(text);
}

function placeholders(text: string | Record<string, string>): string[] {
  const found = forms(text).flatMap((form) => form.match(/\{\w+\}/g) ?? []);
  return [...new Set(found)].sort();
}
