import { Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import {
  defer,
  EMPTY,
  expand,
  filter,
  map,
  merge,
  Observable,
  Subject,
  switchMap,
  take,
} from 'rxjs';
import type { WechatSession } from '../wechat-session.js';
import { WechatClock } from '../wechat.clock.js';
import { WechatEvents } from '../wechat.events.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { SessionRepository } from './session.repository.js';

/** The longest delay of `setTimeout`, in milliseconds. A longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** How often a timer compares a clock that is not the real one, in milliseconds. A test moves such a clock at any time. */
const TEST_CLOCK_POLL_MS = 10;

/** Notifies a connection when its session ends. Such a connection, for example a WebSocket, stays open after its request. */
@Injectable()
export class SessionWatcher implements OnModuleDestroy {
  /** Ids of sessions that this instance revoked. One listener for all connections. */
  private readonly revoked = new Subject<string>();
  private readonly stopListening: () => void;
  private readonly maxDelayMs: number;

  constructor(
    options: ResolvedWechatOptions,
    private readonly clock: WechatClock,
    private readonly sessions: SessionRepository,
    events: WechatEvents,
  ) {
    this.maxDelayMs = options.clock ? TEST_CLOCK_POLL_MS : MAX_DELAY_MS;
    this.stopListening = events.on('end', ({ id }) => this.revoked.next(id));
  }

  onModuleDestroy(): void {
    this.stopListening();
  }

  /** @param everyMs milliseconds between two reads of the store */
  untilRevoked(session: WechatSession, everyMs: number): Observable<void> {
    const here = this.revoked.pipe(filter((id) => id === session.id));
    const anywhere = this.lifetimes(session, everyMs).pipe(filter((leftMs) => leftMs <= 0));
    return merge(here, anywhere).pipe(
      take(1),
      map(() => undefined),
    );
  }

  /** Emits how long the session still lives, now and again after `everyMs` or at its end. Reads the store once for each value. */
  private lifetimes(session: WechatSession, everyMs: number): Observable<number> {
    const look = defer(() => this.lifetimeMs(session));
    return look.pipe(
      expand((leftMs) =>
        leftMs > 0 ? this.timer(Math.min(everyMs, leftMs)).pipe(switchMap(() => look)) : EMPTY,
      ),
    );
  }

  /** While the store does not respond, the session counts as alive until its maximum age. */
  private async lifetimeMs({ id, loginExpiresAt }: WechatSession): Promise<number> {
    const expiresAt = await this.sessions.get(id).then(
      (stored) => stored?.record.expiresAt ?? 0,
      () => loginExpiresAt.getTime(),
    );
    return expiresAt - this.clock.now();
  }

  /** Emits once when the clock has moved on by `ms`. */
  private timer(ms: number): Observable<void> {
    return new Observable((subscriber) => {
      const endsAt = this.clock.now() + ms;
      let timeout: NodeJS.Timeout | undefined;
      const wait = (): void => {
        const leftMs = endsAt - this.clock.now();
        if (leftMs > 0) {
          timeout = setTimeout(wait, Math.min(leftMs, this.maxDelayMs)).unref();
        } else {
          subscriber.next();
          subscriber.complete();
        }
      };
      wait();
      return () => clearTimeout(timeout);
    });
  }
}
