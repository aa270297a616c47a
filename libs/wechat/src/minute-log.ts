import { Logger } from '@nestjs/common';

const MINUTE = 60_000;

/** A log for what can happen a thousand times a second: each text stands there once a minute, with how often it was held back. */
export class MinuteLog {
  private readonly logger: Logger;
  private readonly last = new Map<string, { at: number; heldBack: number }>();

  constructor(context: string) {
    this.logger = new Logger(context);
  }

  /** @param kind what is said once a minute, where each text differs, as one with a rid of WeChat does */
  error(text: string, kind = text): void {
    const last = this.last.get(kind);
    if (last && Date.now() - last.at < MINUTE) {
      last.heldBack++;
      return;
    }
    this.logger.error(
      last?.heldBack ? `${text} (${last.heldBack} more within the last minute)` : text,
    );
    this.last.set(kind, { at: Date.now(), heldBack: 0 });
  }
}
