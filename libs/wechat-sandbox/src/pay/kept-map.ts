/** A map that keeps its newest entries, so that no caller can fill the memory. */
export class KeptMap<Value> extends Map<string, Value> {
  constructor(private readonly kept: number) {
    super();
  }

  override set(key: string, value: Value): this {
    super.set(key, value);
    const [oldest] = this.keys();
    if (oldest !== undefined && this.size > this.kept) this.delete(oldest);
    return this;
  }
}
