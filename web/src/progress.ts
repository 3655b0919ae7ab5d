// How far the work is and how long it will take, also while the first tile runs.

const FIRST_GUESS = 5e9; // multiplications and additions a second, where nothing is known

export class Progress {
  private static rate?: number; // of the last picture, in multiplications and additions a second
  private readonly start = performance.now();
  private done = 0;
  private next = 1;
  private since = 0; // when the running tile began
  private seconds?: number; // of the whole work, as far as is known

  /** `work` is what the picture takes, in multiplications and additions. */
  constructor(private readonly work: number) {
    if (Progress.rate) this.seconds = work / Progress.rate;
  }

  /** A tile is finished: `done` of the work, 0 to 1. */
  update(done: number): void {
    this.next = Math.min(1, 2 * done - this.done);
    this.done = done;
    this.since = this.elapsed();
    this.seconds = this.since / done;
    Progress.rate = this.work / this.seconds;
  }

  /** The part that is done by now. Between tiles it is guessed, slower and slower where the guess was too high. */
  part(): number {
    const tile = this.next - this.done;
    const expected = tile * (this.seconds ?? this.work / FIRST_GUESS);
    return this.done + tile * (1 - Math.exp((-1.5 * (this.elapsed() - this.since)) / expected));
  }

  /** Seconds left, once that can be known. */
  left(): number | undefined {
    return this.seconds && Math.max(this.seconds - this.elapsed(), this.seconds * (1 - this.next), 1);
  }

  private elapsed(): number {
    return (performance.now() - this.start) / 1000;
  }
}

/** Seconds as a person would say them behind a percentage; nothing where they are not known yet. */
export function inWords(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  if (seconds < 4) return ", a few seconds left";
  if (seconds < 55) return `, about ${seconds < 20 ? Math.round(seconds) : 5 * Math.round(seconds / 5)} seconds left`;
  const minutes = Math.round(seconds / 60);
  return minutes <= 1 ? ", about a minute left" : `, about ${minutes} minutes left`;
}
