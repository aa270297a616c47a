import type { Logger } from '@nestjs/common';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageHandler } from '../inbox/handler-registry.js';
import { Inbox } from '../inbox/inbox.js';
import { logFailure } from '../inbox/log-failure.js';
import { SingleFlight } from '../single-flight.js';
import { KEY_PREFIX } from '../store/keys.js';
import type { WechatStore } from '../store/wechat.store.js';
import type { KeptReplies } from './kept-replies.js';
import type { PushFormat, WechatMessage } from './push.message.js';
import { replyOf } from './push.response.js';

/** From the start of a run. WeChat's third and last delivery ends about 15 s after the first one has started. */
const RESPOND_WITHIN_MS = 14_000;
const SHUTDOWN_MS = 10_000;
/** What the inbox remembers of a handled push: whether there was a reply. */
const WITHOUT_REPLY = Buffer.alloc(0);
const WITH_REPLY = Buffer.of(1);

/** The handler failed. It is logged. */
export class HandlerError extends Error {}

/** The handler still runs. */
export class LateError extends Error {
  constructor(readonly status: 500 | 503) {
    super();
  }
}

/** One push to run: what makes two deliveries the same push, its handler, and the format of its reply. */
export interface PushRun {
  identity: string;
  handler: MessageHandler<WechatMessage>;
  message: WechatMessage;
  format: PushFormat;
}

/** Runs the handler of a push once, and returns its reply to each of its deliveries. */
export class PushRunner {
  private readonly inbox: Inbox;
  /** Deliveries of one push share one response, with one deadline. */
  private readonly responses = new SingleFlight<string | undefined>();
  private readonly closing = new AbortController();

  constructor(
    store: WechatStore,
    private readonly kept: KeptReplies,
    private readonly logger: Logger,
  ) {
    this.inbox = new Inbox(store, KEY_PREFIX.push, { longestWait: RESPOND_WITHIN_MS });
    setMaxListeners(0, this.closing.signal); // any number of pushes may be handled at once
  }

  /**
   * Returns the reply of the run, now or within the last minute.
   *
   * @throws HandlerError, LateError after 14 s, InboxBusyError, StoreUnavailableError before the handler runs
   */
  run(push: PushRun): Promise<string | undefined> {
    return this.responses.run(push.identity, () => this.inTime(this.runOnce(push)));
  }

  /** Waits for running handlers for 10 s. */
  async close(): Promise<void> {
    await Promise.race([this.inbox.settled(), sleep(SHUTDOWN_MS, undefined, { ref: false })]);
    this.closing.abort();
  }

  private async runOnce(push: PushRun): Promise<string | undefined> {
    const { identity, message } = push;
    let own: { reply?: string } | undefined;
    const mark = await this.inbox.process(identity, async () => {
      own = { reply: await this.runHandler(push) };
      if (own.reply === undefined) return WITHOUT_REPLY;
      await this.kept.keep(message.appId, identity, own.reply);
      return WITH_REPLY;
    });
    if (own) return own.reply;
    return mark.equals(WITH_REPLY) ? this.kept.find(identity) : undefined;
  }

  /** It may fail after the response, so its failure is logged here. */
  private async runHandler({ handler, message, format }: PushRun): Promise<string | undefined> {
    let result: unknown;
    try {
      result = await handler.handle(message);
    } catch (error) {
      logFailure(this.logger, `${handler.name} failed, and WeChat may not repeat the push`, error);
      throw new HandlerError();
    }
    try {
      return replyOf(result, format);
    } catch {
      this.logger.error(
        `${handler.name} returned a value that is not a reply, so WeChat gets success. Return nothing, or a plain object of JSON values whose names are names of XML elements.`,
      );
      return undefined;
    }
  }

  /** Nothing is sent while the handler runs: only a missing response makes WeChat deliver the push again. */
  private inTime<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.closing;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new LateError(503));
      const late = setTimeout(() => reject(new LateError(500)), RESPOND_WITHIN_MS).unref();
      signal.addEventListener('abort', stop, { once: true });
      const done = (): void => {
        clearTimeout(late);
        signal.removeEventListener('abort', stop);
      };
      work.finally(done).then(resolve, reject);
    });
  }
}
