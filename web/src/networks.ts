// The networks that were exported for this page, by what their cards say.

import type { Reach } from "./tiling";

export interface Network {
  name: string;
  /** What it is for, in a person's words: networks of one `title` differ in scale. */
  title: string;
  hint: string;
  scale: number;
  reach: Reach;
  /** Multiplications and additions for each pixel of the picture. */
  work: number;
  url: string;
}

/** The part of a card (`wdsr_tf/export/card.py`) that is used here. */
interface Card {
  name: string;
  title?: string;
  description?: string;
  scale: number;
  file: string;
  multiply_adds_per_pixel: number;
  receptive_field: { radius: number; multiple: number; global_mean: boolean };
}

/** Plain words for the networks that ship, best first; others are shown by their card's title. */
const WORDS: [RegExp, string, string][] = [
  [/^wdsr-a-8-x/, "Best quality", "For photographs and drawings."],
  [/^wdsr-a-8-q-x/, "From the web", "Also takes away the marks that strong compression left."],
  [/^wdsr-b-4-x/, "Fastest", "A little less sharp, several times as fast."],
];

/** Reads `networks/index.json` and the cards that it names; those that cannot be cut into tiles are left out. */
export async function listNetworks(): Promise<Network[]> {
  const folder = new URL("networks/", document.baseURI);
  const names: string[] = await readJson(new URL("index.json", folder));
  const cards = await Promise.all(names.map((name) => readJson<Card>(new URL(name, folder))));
  return cards
    .filter((card) => !card.receptive_field.global_mean)
    .map((card) => ({ card, rank: WORDS.findIndex(([pattern]) => pattern.test(card.name)) }))
    .sort((a, b) => (a.rank >>> 0) - (b.rank >>> 0) || a.card.scale - b.card.scale)
    .map(({ card, rank }) => ({
      name: card.name,
      title: WORDS[rank]?.[1] ?? card.title ?? card.name,
      hint: WORDS[rank]?.[2] ?? card.description ?? "",
      scale: card.scale,
      reach: card.receptive_field,
      work: card.multiply_adds_per_pixel,
      url: new URL(card.file, folder).href,
    }));
}

async function readJson<T>(url: URL): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is not there`);
  return response.json();
}
