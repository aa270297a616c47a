/**
 * The clock that sessions, tokens and locks expire by. With Redis it is Redis's time, which all instances share; else it is
 * the clock of this process. `options.clock` replaces it in tests.
 *
 * @example
 * ```ts
 * constructor(private readonly clock: WechatClock) {}
 *
 * isOver({ loginExpiresAt }: WechatSession): boolean { return loginExpiresAt.getTime() <= this.clock.now(); }
 * ```
 */
export abstract class WechatClock {
  /** Milliseconds since 1970. */
  abstract now(): number;
}
