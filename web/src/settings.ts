// What the user set, in the fragment of the address: a link shares it, and no server sees it.

const NAMES = ["language", "method", "scale", "width", "denoise", "format", "quality"] as const;

export type Settings = Partial<Record<(typeof NAMES)[number], string>>;

/** Reads a fragment. Whoever uses a setting checks whether its value exists; any other content is left out. */
export function readSettings(fragment: string): Settings {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const settings: Settings = {};
  for (const name of NAMES) {
    const value = given.get(name);
    if (value && value.length <= 100) settings[name] = value;
  }
  return settings;
}

export function writeSettings(settings: Settings): string {
  const given = NAMES.flatMap((name) => (settings[name] ? [[name, settings[name]]] : []));
  return given.length > 0 ? `#${new URLSearchParams(given)}` : "";
}

/** Returns a link to this page with these settings. */
export function linkTo(settings: Settings): string {
  return new URL(location.pathname + writeSettings(settings), location.href).href;
}
