import type { Logger } from '@nestjs/common';

/** Logs that something failed, with the error and its stack. */
export function logFailure(logger: Logger, what: string, error: unknown): void {
  logger.error(`${what}: ${String(error)}`, error instanceof Error ? error.stack : undefined);
}
