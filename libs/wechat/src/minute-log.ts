import { Logger } from '@nestjs/common';

const MINUTE_MS = 60_000;

/**
 * Logs lines that can occur many times a second. Each line is logged once a minute, with the number of repetitions that were
 * not logged.
 */
export class MinuteLog {
  private readonly logger: Logger;
  private readonly last = new Map<string, { at: number; suppressed: number }>();

  constructor(context: string) {
    this.logger = new Logger(context);
  }

  /** @param kind identifies the error if its text differs each time, such as a text with a request id of WeChat */
  error(text: string, kind = text): void {
    this.write('error', text, kind);
  }

  /** @param kind as in `error` */
  warn(text: string, kind = text): void {
    this.write('warn', text, kind);
  }

  private write(level: 'error' | 'warn', text: string, kind: string): void {
    const last = this.last.get(kind);
    if (last && Date.now() - last.at < MINUTE_MS) {
      last.suppressed++;
      return;
    }
    this.logger[level](
      last?.suppressed ? `${text} (${last.suppressed} more within the last minute)` : text,
    );
    this.last.set(kind, { at: Date.now(), suppressed: 0 });
  }
}
