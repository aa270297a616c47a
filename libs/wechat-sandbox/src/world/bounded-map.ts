/** A map that drops its oldest entry when it has more than `limit`. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  constructor(private readonly limit: number) {
    super();
  }

  override set(key: Key, value: Value): this {
    super.set(key, value);
    const [oldest] = this.keys();
    if (oldest !== undefined && this.size > this.limit) this.delete(oldest);
    return this;
  }
}
