/**
 * The clock by which sessions, tokens and locks expire. With Redis it is Redis's time, which all instances share; else it is
 * the clock of this process. `options.clock` replaces it, for tests.
 *
 * @example
 * ```ts
 * constructor(private readonly clock: WechatClock) {}
 *
 * hasExpired({ loginExpiresAt }: WechatSession): boolean { return loginExpiresAt.getTime() <= this.clock.now(); }
 * ```
 */
export abstract class WechatClock {
  /** Returns milliseconds since 1970. */
  abstract now(): number;
}

/** The clock of this process, or the function of `options.clock`. */
export class ProcessClock extends WechatClock {
  constructor(private readonly time = (): number => Date.now()) {
    super();
  }

  now(): number {
    return this.time();
  }
}
