/** Keeps a worker from sending pixels faster than the page draws them: what waits in between takes memory. */
export class Pace {
  private ahead = 0;
  private resume?: () => void;

  /** `most` is how many messages may wait. */
  constructor(private readonly most: number) {}

  /** Call after each message; resolves when the worker may go on. */
  async sent(): Promise<void> {
    if (++this.ahead > this.most) await new Promise<void>((resume) => (this.resume = resume));
  }

  /** The page has drawn a message. */
  drawn(): void {
    this.ahead--;
    this.resume?.();
    this.resume = undefined;
  }
}
