/** Lets work on one key run one after the other within this process; other keys don't wait. */
export class Turns {
  private readonly last = new Map<string, Promise<void>>();

  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.last.get(key) ?? Promise.resolve()).then(work);
    const over: Promise<void> = turn.then(ignore, ignore).then(() => {
      if (this.last.get(key) === over) this.last.delete(key);
    });
    this.last.set(key, over);
    return turn;
  }
}

function ignore(): void {}
