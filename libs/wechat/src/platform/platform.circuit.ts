import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { WechatUnavailableError } from '../wechat.errors.js';

/** So many calls of an endpoint in a row without an answer, retries included, and it counts as down. */
export const CALLS_TO_OPEN = 5;

/** How long a call waits for the one that is on its way while the endpoint is down, in milliseconds. */
export const PATIENCE = 250;

/**
 * Keeps callers from queueing up behind an endpoint of WeChat that is down. It then gets one call at a time, somebody's own;
 * the others wait a moment for how that one ends and fail at once with it. There is no time to sit out: the first answer
 * lets everybody through. A refusal is an answer, since whoever refuses is there.
 */
export class PlatformCircuit {
  private readonly logger = new Logger('WechatPlatform');
  /** Calls in a row that were not answered, of the endpoints where there are any. */
  private readonly unanswered = new Map<string, number>();
  /** The one call on its way to an endpoint that is down; never rejects. */
  private readonly probes = new Map<string, Promise<void>>();

  /** @throws WechatUnavailableError where the endpoint is down and another call is on its way; whatever `work` rejects with */
  async call<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    const probe = this.probes.get(endpoint);
    if (probe && this.isDown(endpoint)) {
      await Promise.race([probe, sleep(PATIENCE, undefined, { ref: false })]);
      if (this.isDown(endpoint)) {
        throw new WechatUnavailableError(
          'WeChat does not answer. Until it does it gets one call at a time, and this was another.',
          {
            endpoint,
          },
        );
      }
    }
    return this.isDown(endpoint) ? this.probe(endpoint, work) : this.watched(endpoint, work);
  }

  private isDown(endpoint: string): boolean {
    return (this.unanswered.get(endpoint) ?? 0) >= CALLS_TO_OPEN;
  }

  private probe<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    const call = this.watched(endpoint, work);
    const settled = (): void => void this.probes.delete(endpoint);
    this.probes.set(endpoint, call.then(settled, settled));
    return call;
  }

  private async watched<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      this.answered(endpoint);
      return answer;
    } catch (error) {
      if (error instanceof WechatUnavailableError) this.missed(endpoint);
      else this.answered(endpoint);
      throw error;
    }
  }

  private answered(endpoint: string): void {
    if (this.isDown(endpoint)) this.logger.log(`WeChat answers ${endpoint} again.`);
    this.unanswered.delete(endpoint);
  }

  private missed(endpoint: string): void {
    const calls = (this.unanswered.get(endpoint) ?? 0) + 1;
    this.unanswered.set(endpoint, calls);
    if (calls !== CALLS_TO_OPEN) return;
    this.logger.error(
      `WeChat left ${calls} calls of ${endpoint} in a row without an answer; until it gives one it gets one at a time.`,
    );
  }
}
