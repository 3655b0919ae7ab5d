import type { Key, Values } from "../i18n";

/** An error that is explained to the user. */
export class Refusal extends Error {
  constructor(
    readonly key: Key,
    readonly values?: Values,
  ) {
    super(key);
  }
}
