// The page's networks and methods, as `web/networks.py` exported them.

import type { Key, Message } from "./i18n";
import type { ReceptiveField } from "./tiling";

export interface Network {
  name: string;
  scale: number;
  receptiveField: ReceptiveField;
  /** Multiply-adds per pixel of the image. */
  work: number;
  url: string;
}

/** A choice for the user, and for each scale the networks for JPEG artifacts and for other images. */
export interface Method {
  /** Its name in links. */
  id: string;
  title: Message;
  hint: Message;
  sizes: { scale: number; clean: Network; jpeg: Network }[];
}

/** Which networks run, in order, for a factor up to `up_to`. */
type Table = { up_to: number; models: string[] }[];

/** What `wdsr_tf/inference/routing.py` computes for these networks. */
export interface Routes {
  scale: number;
  /** The JPEG quality below which the routes of `jpeg` are used. */
  jpeg_below: number;
  clean: Table;
  jpeg: Table;
}

/** The fields of a model card (`wdsr_tf/export/card.py`) that the page uses. */
interface Card {
  name: string;
  title?: string;
  description?: string;
  scale: number;
  file: string;
  multiply_adds_per_pixel: number;
  receptive_field: { radius: number; multiple: number; global_mean: boolean };
}

/** The bundled networks' methods; the others have the titles and descriptions of their cards. */
const WORDS: [RegExp, string, Key, Key][] = [
  [/^wdsr-a-8-q-x/, "web", "method.web", "method.web.hint"],
  [/^wdsr-b-4-x/, "fast", "method.fast", "method.fast.hint"],
];

/** Reads `networks/index.json` and the model cards in it; returns the methods, and the routes. */
export async function loadMethods(): Promise<{ methods: Method[]; routes: Routes }> {
  const folder = new URL("networks/", document.baseURI);
  const index: { cards: string[]; routes: Routes } = await readJson(new URL("index.json", folder));
  const all = await Promise.all(index.cards.map((name) => readJson<Card>(new URL(name, folder))));
  const cards = all.filter((card) => !card.receptive_field.global_mean); // the others can't run in tiles
  return { methods: methodsOf(cards, index.routes, folder), routes: index.routes };
}

/** Returns the method that follows the routes, as the command line does, and one for each group of other networks. */
export function methodsOf(cards: Card[], routes: Routes, folder: URL): Method[] {
  const networks = new Map(cards.map((card) => [card.name, networkOf(card, folder)]));
  const scales = [...new Set(cards.map(({ scale }) => scale))].sort((a, b) => a - b);
  const automatic: Method = { id: "best", title: { key: "method.best" }, hint: { key: "method.best.hint" }, sizes: [] };
  for (const scale of scales) {
    const clean = only(routes.clean, scale, networks);
    if (clean) automatic.sizes.push({ scale, clean, jpeg: only(routes.jpeg, scale, networks) ?? clean });
  }
  automatic.sizes.sort((a, b) => Number(b.scale === routes.scale) - Number(a.scale === routes.scale));
  const methods = automatic.sizes.length > 0 ? [automatic] : [];
  for (const card of cards) {
    const network = networks.get(card.name)!;
    if (automatic.sizes.some(({ clean }) => clean === network)) continue;
    const words = nameMethod(card);
    let method = methods.find(({ id }) => id === words.id);
    if (!method) methods.push((method = { ...words, sizes: [] }));
    method.sizes.push({ scale: card.scale, clean: network, jpeg: network });
  }
  return methods;
}

function nameMethod(card: Card): Pick<Method, "id" | "title" | "hint"> {
  const words = WORDS.find(([pattern]) => pattern.test(card.name));
  if (words) return { id: words[1], title: { key: words[2] }, hint: { key: words[3] } };
  const title = card.title ?? card.name;
  return { id: title, title: verbatim(title), hint: verbatim(card.description ?? "") };
}

function verbatim(text: string): Message {
  return { key: "verbatim", values: { text } };
}

/** Returns the network that gives this scale in a single pass, which is all that the page does. */
function only(table: Table, scale: number, networks: Map<string, Network>): Network | undefined {
  const models = table.find(({ up_to }) => scale <= up_to)?.models ?? [];
  const network = models.length === 1 ? networks.get(models[0]) : undefined;
  return network?.scale === scale ? network : undefined;
}

function networkOf(card: Card, folder: URL): Network {
  return {
    name: card.name,
    scale: card.scale,
    receptiveField: card.receptive_field,
    work: card.multiply_adds_per_pixel,
    url: new URL(card.file, folder).href,
  };
}

async function readJson<T>(url: URL): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is missing`);
  return response.json();
}
