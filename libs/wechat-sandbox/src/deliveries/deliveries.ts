import { randomUUID } from 'node:crypto';
import type { Agenda } from '../world/agenda.js';
import { milliseconds, type SandboxClock } from '../world/clock.js';
import { SandboxError } from '../world/sandbox-error.js';
import type {
  Delivery,
  DeliveryAttempt,
  DeliveryFault,
  Letter,
  Message,
  NextDelivery,
} from './delivery.js';
import { assertDeliveryFault } from './delivery-fault.js';
import { exchange, NOT_HERE } from './exchange.js';

/** The maximum number of stored deliveries. Above it the oldest are removed and no longer repeated. */
const KEPT = 10_000;
/** The maximum number of stored attempts of a delivery. `again` can add any number of attempts to those of the schedule. */
const KEPT_ATTEMPTS = 200;
const QUEUED_FAULTS = 1000;
/** Note of an attempt that a fault has dropped. */
export const DROPPED = 'dropped';

/**
 * Sees the start of each attempt.
 *
 * @param number 1 for the first attempt
 * @returns the function that is called with the result
 */
export type AttemptObserver = (
  delivery: Pick<Delivery, 'kind' | 'title'>,
  number: number,
) => (attempt: DeliveryAttempt) => void;

/** A delivery with its state. */
class Parcel implements Delivery {
  readonly id = randomUUID();
  readonly kind: Delivery['kind'];
  readonly title: string;
  readonly url: string;
  readonly attempts: DeliveryAttempt[] = [];
  done = false;
  nextAt?: Date;
  /** The number of scheduled attempts so far. */
  scheduled = 0;
  /** The number of all attempts so far. */
  private started = 0;

  constructor(
    readonly message: Message,
    private readonly observe: AttemptObserver,
  ) {
    ({ kind: this.kind, title: this.title, url: this.url } = message);
  }

  /** Starts an attempt. Returns the function that stores its result. */
  begin(): (attempt: DeliveryAttempt) => void {
    const seen = this.observe(this, ++this.started);
    return (attempt) => {
      this.attempts.push(attempt);
      if (this.attempts.length > KEPT_ATTEMPTS) this.attempts.shift();
      seen(attempt);
    };
  }

  view(): Delivery {
    const { id, kind, title, url, attempts, done, nextAt } = this;
    const copies = attempts.map((attempt) => ({ ...attempt }));
    return { id, kind, title, url, attempts: copies, done, ...(nextAt && { nextAt }) };
  }
}

/** Sends WeChat's notifications and pushes to the application, and repeats them by the sandbox's clock. */
export class Deliveries {
  private readonly parcels = new Map<string, Parcel>();
  private readonly queuedFaults: DeliveryFault[] = [];
  private lastingFault: DeliveryFault = {};

  constructor(
    private readonly clock: SandboxClock,
    private readonly agenda: Agenda,
    private readonly closing: AbortSignal,
    private readonly observe: AttemptObserver = () => () => undefined,
  ) {}

  /** All deliveries, the oldest first. */
  get all(): Delivery[] {
    return [...this.parcels.values()].map((parcel) => parcel.view());
  }

  /** Starts a delivery. Resolves after its first attempt. */
  async send(message: Message): Promise<Delivery> {
    const parcel = new Parcel(message, this.observe);
    this.parcels.set(parcel.id, parcel);
    const [oldest] = this.parcels.keys();
    if (oldest !== undefined && this.parcels.size > KEPT) this.parcels.delete(oldest);
    await this.schedule(parcel, this.clock.now());
    return parcel.view();
  }

  /** Sends a message once more, also if it was acknowledged. Resolves after this attempt. */
  async again(id: string): Promise<Delivery> {
    const parcel = this.parcels.get(id);
    if (!parcel)
      throw new SandboxError(`There is no delivery ${id}. GET /sandbox/deliveries lists all.`);
    await new Promise<void>((resolve) => {
      this.agenda.add(this.clock.now(), async () => {
        const at = this.clock.now();
        await this.attempt(parcel, at, this.takeFault());
        resolve();
      });
    });
    return parcel.view();
  }

  /** Applies a fault to the next attempt, or to the next `times` attempts, of any delivery. */
  next(fault: NextDelivery): void {
    assertDeliveryFault(fault);
    const { times = 1, ...rest } = fault;
    if (this.queuedFaults.length + times > QUEUED_FAULTS)
      throw new SandboxError(`At most ${QUEUED_FAULTS} faults of deliveries can be queued.`);
    for (let i = 0; i < times; i++) this.queuedFaults.push(rest);
  }

  /** Applies a fault to every attempt from now on. `{}` removes it. Queued faults come first. */
  every(fault: DeliveryFault): void {
    assertDeliveryFault(fault);
    this.lastingFault = fault;
  }

  /** Removes all faults. */
  clear(): void {
    this.queuedFaults.length = 0;
    this.lastingFault = {};
  }

  /** Resolves after the attempt. */
  private schedule(parcel: Parcel, due: number, fault?: DeliveryFault): Promise<void> {
    parcel.nextAt = new Date(due);
    return new Promise((resolve) => {
      this.agenda.add(due, async () => {
        await this.runScheduled(parcel, due, fault);
        resolve();
      });
    });
  }

  private async runScheduled(parcel: Parcel, due: number, planned?: DeliveryFault): Promise<void> {
    if (!this.parcels.has(parcel.id) || this.closing.aborted) return;
    const fault = planned ?? this.takeFault();
    if (fault.delay !== undefined) {
      const { delay, ...rest } = fault;
      void this.schedule(parcel, due + milliseconds(delay), rest);
      return;
    }
    parcel.nextAt = undefined;
    const status = await this.attempt(parcel, due, fault);
    const wait = parcel.message.repeatAfter[parcel.scheduled++];
    if (parcel.done || wait === undefined || status === undefined) return;
    if (parcel.message.isRepeatedAfter(status)) void this.schedule(parcel, due + wait);
  }

  /** Sends a message now. Returns the status; undefined if it can never be sent. */
  private async attempt(
    parcel: Parcel,
    at: number,
    { drop, duplicate = 1, tamper, signTest }: DeliveryFault,
  ): Promise<number | undefined> {
    const tampering = signTest ? 'signTest' : tamper;
    if (drop) {
      parcel.begin()({ at: new Date(at), status: 0, ms: 0, note: DROPPED });
      return 0;
    }
    const letters = Array.from({ length: duplicate }, () => parcel.message.write(tampering));
    const results = await Promise.all(
      letters.map((letter) => this.post(parcel, at, letter, tampering)),
    );
    const acknowledged = results.some(({ status }) => parcel.message.isAcknowledgement(status));
    // an accepted message with a fault is not acknowledged: the unchanged message follows
    if (acknowledged && !tampering) parcel.done = true;
    return results.some(({ note }) => note === NOT_HERE) ? undefined : results[0]!.status;
  }

  private async post(
    parcel: Parcel,
    at: number,
    letter: Letter,
    tampering: string | undefined,
  ): Promise<DeliveryAttempt> {
    const end = parcel.begin();
    const started = performance.now();
    const { status, body, note } = await exchange('POST', parcel.url, letter, this.closing);
    const ms = Math.round(performance.now() - started);
    const read = status === 200 ? parcel.message.read?.(body) : undefined;
    const notes = { note: note ?? read?.note ?? tampering };
    const attempt = { at: new Date(at), status, ms, ...read, ...(notes.note && notes) };
    end(attempt);
    return attempt;
  }

  private takeFault(): DeliveryFault {
    return this.queuedFaults.shift() ?? this.lastingFault;
  }
}
