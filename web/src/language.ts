// The menu of languages.

import { bestLanguage, currentLanguage, isLanguage, LANGUAGES, setLanguage } from "./i18n";

/** Shows the page in the language that was asked for, or else in one of the browser's, and lets the user pick another. */
export async function offerLanguages(menu: HTMLSelectElement, asked: string | undefined, picked: () => void): Promise<void> {
  for (const [code, name] of Object.entries(LANGUAGES)) {
    const option = new Option(name, code);
    option.lang = code;
    menu.add(option);
  }
  await speak(menu, asked && isLanguage(asked) ? asked : bestLanguage(navigator.languages));
  menu.addEventListener("change", async () => {
    await speak(menu, menu.value);
    picked();
  });
}

/** Changes to a language if the page has it. */
export async function speak(menu: HTMLSelectElement, language: string | undefined): Promise<void> {
  if (language && isLanguage(language)) await setLanguage(language);
  menu.value = currentLanguage();
}
