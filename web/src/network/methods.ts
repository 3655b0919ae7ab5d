// The page's own methods, as `web/networks.py` exported them.

import type { Key, Message } from "../i18n";
import { USUAL_FORM, type Method, type Network, type ReceptiveField, type Routes } from "./routes";

/** The fields of a model card (`wdsr_tf/export/card.py`) that the page uses. */
export interface Card {
  name: string;
  title?: string;
  description?: string;
  scale: number;
  file: string;
  multiply_adds_per_pixel: number;
  receptive_field: Omit<ReceptiveField, "bytes_per_pixel">;
}

/** `networks/index.json`: the names of the cards, and the methods. */
export interface Index {
  cards: string[];
  methods: { name: string; routes: Routes }[];
}

const BYTES_PER_PIXEL = 16384; // as in wdsr_tf/receptive_field.py

/** Words for methods whose names match; the others have the titles and descriptions of their cards. */
const WORDS: [RegExp, string, Key, Key][] = [
  [/^best$/, "best", "method.best", "method.best.hint"],
  [/^wdsr-b-4-x/, "fast", "method.fast", "method.fast.hint"],
];

/** Reads `networks/index.json` and the model cards in it. */
export async function loadMethods(): Promise<Method[]> {
  const folder = new URL("networks/", document.baseURI);
  const index: Index = await readJson(new URL("index.json", folder));
  const cards = await Promise.all(index.cards.map((name) => readJson<Card>(new URL(name, folder))));
  return methodsOf(index, cards, folder);
}

export function methodsOf({ methods }: Index, cards: Card[], folder: URL): Method[] {
  const networks = Object.fromEntries(cards.map((card) => [card.name, networkOf(card, folder)]));
  return methods.map(({ name, routes }) => ({ ...wordsFor(name, cards), routes, networks }));
}

function wordsFor(name: string, cards: Card[]): Pick<Method, "id" | "title" | "hint"> {
  const words = WORDS.find(([pattern]) => pattern.test(name));
  if (words) return { id: words[1], title: { key: words[2] }, hint: { key: words[3] } };
  const card = cards.find((card) => card.name === name);
  return { id: name, title: verbatim(card?.title ?? name), hint: verbatim(card?.description ?? "") };
}

/** Text that is the same in all languages. */
export function verbatim(text: string): Message {
  return { key: "verbatim", values: { text } };
}

function networkOf(card: Card, folder: URL): Network {
  return {
    name: card.name,
    scale: card.scale,
    receptiveField: { ...card.receptive_field, bytes_per_pixel: BYTES_PER_PIXEL },
    work: card.multiply_adds_per_pixel,
    source: new URL(card.file, folder).href,
    form: USUAL_FORM,
  };
}

async function readJson<T>(url: URL): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is missing`);
  return response.json();
}
