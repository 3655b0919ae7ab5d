// The menu of languages.

import { bestLanguage, currentLanguage, isLanguage, LANGUAGES, setLanguage } from "./i18n";

/** Shows the page in the language that was asked for, or else in one of the browser's, and lets the user pick another. */
export async function offerLanguages(menu: HTMLSelectElement, asked: string | undefined, picked: () => void): Promise<void> {
  for (const [code, name] of Object.entries(LANGUAGES)) {
    const option = new Option(name, code);
    option.lang = code;
    menu.add(option);
  }
  await setLanguage(asked && isLanguage(asked) ? asked : bestLanguage(navigator.languages));
  menu.value = currentLanguage();
  menu.addEventListener("change", async () => {
    if (isLanguage(menu.value)) await setLanguage(menu.value);
    picked();
  });
}
