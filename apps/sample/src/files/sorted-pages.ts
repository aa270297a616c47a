interface Named {
  name: string;
}

/** One side of a comparison: pages in ascending order of the names, read one after the other. */
export class SortedPages<Item extends Named> {
  private items: Item[] = [];
  private hasEnded = false;

  constructor(private readonly pages: AsyncGenerator<Item[]>) {}

  /** The name up to which all items are here; `undefined`: all that are left are here. */
  get last(): string | undefined {
    return this.hasEnded ? undefined : this.items.at(-1)?.name;
  }

  /** Reads the next page when the current one has been taken. */
  async fill(): Promise<void> {
    while (this.items.length === 0 && !this.hasEnded) {
      const { value, done } = await this.pages.next();
      this.items = value ?? [];
      this.hasEnded = done === true;
    }
  }

  /** Takes the items up to a name, or all if it is `undefined`. */
  take(upTo: string | undefined): Item[] {
    const { items } = this;
    const found = upTo === undefined ? -1 : items.findIndex(({ name }) => name > upTo);
    const end = found < 0 ? items.length : found;
    this.items = items.slice(end);
    return items.slice(0, end);
  }

  async close(): Promise<void> {
    await this.pages.return(undefined);
  }
}

type Sides = readonly SortedPages<Named>[];

/**
 * Walks along several sides together, so that each holds one page in memory.
 * @returns for each step, the name up to which all sides can be taken; `undefined` in the last step
 */
export async function* steps(sides: Sides): AsyncGenerator<string | undefined> {
  try {
    let upTo: string | undefined;
    do {
      for (const side of sides) await side.fill();
      upTo = sides.map(({ last }) => last).reduce(lower);
      yield upTo;
    } while (upTo !== undefined);
  } finally {
    for (const side of sides) await side.close();
  }
}

function lower(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one < other ? one : other;
}
