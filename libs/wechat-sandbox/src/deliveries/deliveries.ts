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

/** How many deliveries are kept. The oldest are forgotten, and no longer repeated. */
const KEPT = 10_000;
/** A receiver that never acknowledges is served once per entry of the schedule and by hand; attempts beyond this number are not kept. */
const KEPT_ATTEMPTS = 200;
const QUEUED_FAULTS = 1000;

/** A delivery on its way. */
class Parcel implements Delivery {
  readonly id = randomUUID();
  readonly kind: Delivery['kind'];
  readonly title: string;
  readonly url: string;
  readonly attempts: DeliveryAttempt[] = [];
  done = false;
  nextAt?: Date;
  /** Attempts of the schedule so far. */
  scheduled = 0;

  constructor(readonly message: Message) {
    ({ kind: this.kind, title: this.title, url: this.url } = message);
  }

  add(attempt: DeliveryAttempt): void {
    this.attempts.push(attempt);
    if (this.attempts.length > KEPT_ATTEMPTS) this.attempts.shift();
  }

  view(): Delivery {
    const { id, kind, title, url, attempts, done, nextAt } = this;
    const copies = attempts.map((attempt) => ({ ...attempt }));
    return { id, kind, title, url, attempts: copies, done, ...(nextAt && { nextAt }) };
  }
}

/** Brings WeChat's notifications and pushes to the application, and repeats them on the sandbox's clock. */
export class Deliveries {
  private readonly parcels = new Map<string, Parcel>();
  private readonly queuedFaults: DeliveryFault[] = [];
  private lastingFault: DeliveryFault = {};

  constructor(
    private readonly clock: SandboxClock,
    private readonly agenda: Agenda,
    private readonly closing: AbortSignal,
  ) {}

  /** All deliveries, the oldest first. */
  get all(): Delivery[] {
    return [...this.parcels.values()].map((parcel) => parcel.view());
  }

  /** Starts a delivery. Resolves after its first attempt. */
  async send(message: Message): Promise<Delivery> {
    const parcel = new Parcel(message);
    this.parcels.set(parcel.id, parcel);
    const [oldest] = this.parcels.keys();
    if (oldest !== undefined && this.parcels.size > KEPT) this.parcels.delete(oldest);
    await this.schedule(parcel, this.clock.now());
    return parcel.view();
  }

  /** Sends a message once more, whatever became of it. Resolves after this attempt. */
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

  /** Something happens to the next attempt, or to the next `times` attempts, of any delivery. */
  next(fault: NextDelivery): void {
    assertDeliveryFault(fault);
    const { times = 1, ...rest } = fault;
    if (this.queuedFaults.length + times > QUEUED_FAULTS)
      throw new SandboxError(`No more than ${QUEUED_FAULTS} faults of deliveries can be queued.`);
    for (let i = 0; i < times; i++) this.queuedFaults.push(rest);
  }

  /** Something happens to every attempt from now on; `{}` for nothing. Queued faults come first. */
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
    const again = !parcel.done && wait !== undefined && status !== undefined;
    if (again && parcel.message.isRepeatedAfter(status)) void this.schedule(parcel, due + wait);
  }

  /** Sends a message now. Returns the status; undefined if it can never be sent. */
  private async attempt(
    parcel: Parcel,
    at: number,
    { drop, duplicate = 1, tamper, signTest }: DeliveryFault,
  ): Promise<number | undefined> {
    const spoiled = signTest ? 'signTest' : tamper;
    if (drop) {
      parcel.add({ at: new Date(at), status: 0, ms: 0, note: 'dropped' });
      return 0;
    }
    const letters = Array.from({ length: duplicate }, () => parcel.message.write(spoiled));
    const results = await Promise.all(
      letters.map((letter) => this.post(parcel, at, letter, spoiled)),
    );
    const acknowledged = results.some(({ status }) => parcel.message.isAcknowledgement(status));
    // a spoiled message that was accepted is no acknowledgement: the true one follows
    if (acknowledged && !spoiled) parcel.done = true;
    return results.some(({ note }) => note === NOT_HERE) ? undefined : results[0]!.status;
  }

  private async post(
    parcel: Parcel,
    at: number,
    letter: Letter,
    spoiled: string | undefined,
  ): Promise<DeliveryAttempt> {
    const started = performance.now();
    const { status, body, note } = await exchange('POST', parcel.url, letter, this.closing);
    const ms = Math.round(performance.now() - started);
    const read = status === 200 ? parcel.message.read?.(body) : undefined;
    const notes = { note: note ?? read?.note ?? spoiled };
    const attempt = { at: new Date(at), status, ms, ...read, ...(notes.note && notes) };
    parcel.add(attempt);
    return attempt;
  }

  private takeFault(): DeliveryFault {
    return this.queuedFaults.shift() ?? this.lastingFault;
  }
}
