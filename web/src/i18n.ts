// The page's texts, in the user's language; one file of `languages/` for each.
//
// A text is said by its key, and changes when the user picks another language: in index.html by `data-text="key"`,
// `data-label="key"` (aria-label) and `data-title="key"`, in code by `say` and `label`. Workers report keys, not texts.

import english from "./languages/en.json";

export type Key = keyof typeof english;
export type Values = Record<string, string | number>;

/** Something to tell the user. */
export interface Message {
  key: Key;
  values?: Values;
}

/** Where a text depends on the number `count`, one for each plural form that the language has. */
type Text = string | Partial<Record<Intl.LDMLPluralRule, string>>;
type Texts = Record<Key, Text>;

/** The languages by code, each under its own name. */
export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  es: "Español",
  fr: "Français",
  zh: "简体中文",
  ja: "日本語",
} as const;
export type Language = keyof typeof LANGUAGES;

const files = import.meta.glob<Texts>(["./languages/*.json", "!./languages/en.json"], { import: "default" });
const said = { text: new WeakMap<Element, Values>(), label: new WeakMap<Element, Values>() };

let language: Language = "en";
let texts: Texts = english;

export function currentLanguage(): Language {
  return language;
}

/** Returns the first of the user's languages that the page has, else English. */
export function bestLanguage(wanted: readonly string[]): Language {
  return wanted.map((tag) => tag.toLowerCase().split("-")[0]).find(isLanguage) ?? "en";
}

export function isLanguage(code: string): code is Language {
  return Object.hasOwn(LANGUAGES, code);
}

/** Shows the whole page in a language. */
export async function setLanguage(code: Language): Promise<void> {
  texts = code === "en" ? english : await files[`./languages/${code}.json`]();
  language = code;
  document.documentElement.lang = code === "zh" ? "zh-Hans" : code;
  translate(document);
  document.dispatchEvent(new Event("translated")); // for what isn't the text of an element
}

/** Returns a text with its values filled in. */
export function text(key: Key, values: Values = {}): string {
  return fill(texts[key], values, language);
}

/** Sets an element's text, also when the language changes. */
export function say(element: HTMLElement, key: Key, values: Values = {}): void {
  element.dataset.text = key;
  said.text.set(element, values);
  element.textContent = text(key, values);
}

/** Sets an element's accessible name, also when the language changes. */
export function label(element: HTMLElement, key: Key, values: Values = {}): void {
  element.dataset.label = key;
  said.label.set(element, values);
  element.setAttribute("aria-label", text(key, values));
}

/** Removes an element's text. */
export function hush(element: HTMLElement): void {
  delete element.dataset.text;
  element.textContent = "";
}

/** Fills in `{name}`; numbers as the language writes them, but without separators of thousands. */
export function fill(template: Text, values: Values, language: Language): string {
  if (typeof template !== "string") {
    const form = new Intl.PluralRules(language).select(Number(values.count));
    template = template[form] ?? template.other ?? "";
  }
  const numbers = new Intl.NumberFormat(language, { useGrouping: false });
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : (value ?? "");
  });
}

function translate(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-text], [data-label], [data-title]")) {
    const { text: key, label: name, title } = element.dataset;
    if (key) element.textContent = text(key as Key, said.text.get(element));
    if (name) element.setAttribute("aria-label", text(name as Key, said.label.get(element)));
    if (title) element.title = text(title as Key);
  }
}
