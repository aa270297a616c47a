import type { Duration } from '../world/clock.js';

/** One attempt to deliver. */
export interface DeliveryAttempt {
  /** When it was due, by the sandbox's clock. */
  at: Date;
  /** HTTP status of the response; 0: none came. */
  status: number;
  /** Real milliseconds until the response, or until there was none. */
  ms: number;
  /** Why there was no response or no valid reply, or what {@link NextDelivery} did to this attempt. */
  note?: string;
  /** The passive reply to a push: `'success'`, `''`, or the message, verified and decrypted. */
  reply?: unknown;
}

/** A notification of WeChat Pay or a message push, with everything that became of it. */
export interface Delivery {
  id: string;
  kind: 'pay' | 'push';
  /** What it is about: `TRANSACTION.SUCCESS 20261129001`. */
  title: string;
  url: string;
  attempts: readonly DeliveryAttempt[];
  /** The receiver has acknowledged it. */
  done: boolean;
  /** When the next attempt is due, by the sandbox's clock. Absent: none is. */
  nextAt?: Date;
}

/** What can be wrong with a message that is sent: bytes changed after signing, a signature of other bytes, a ciphertext that does not decrypt. */
export type Tampering = 'body' | 'signature' | 'ciphertext';

/** What happens to one attempt. */
export interface DeliveryFault {
  /** It gets lost on the way: nothing is sent, and WeChat sees no response. */
  drop?: boolean;
  /** It is sent this many times at once. */
  duplicate?: number;
  /** It is sent this much later, by the sandbox's clock. */
  delay?: Duration;
  /** It is sent spoiled. The next attempt is in order again. */
  tamper?: Tampering;
  /** It is a probe of WeChat Pay: its signature begins with `WECHATPAY/SIGNTEST/` and must be refused. A push has a wrong signature instead. */
  signTest?: boolean;
}

/** A {@link DeliveryFault} for the next attempt. */
export interface NextDelivery extends DeliveryFault {
  /** For how many attempts in a row. @default 1 */
  times?: number;
}

/** The bytes of one attempt. */
export interface Letter {
  query?: URLSearchParams;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** What the sender reads from the body of a response. */
export type ReadResponse = Pick<DeliveryAttempt, 'reply' | 'note'>;

/** What is to be delivered, and how its sender goes about it. */
export interface Message {
  kind: Delivery['kind'];
  title: string;
  url: string;
  /** Milliseconds from each attempt to the next. */
  repeatAfter: readonly number[];
  /** Whether a response with this status acknowledges the message; 0 is no response. */
  isAcknowledgement(status: number): boolean;
  /** Whether an attempt that was not acknowledged is repeated. */
  isRepeatedAfter(status: number): boolean;
  /** Writes the message for one attempt, signed anew. */
  write(spoiled?: Tampering | 'signTest'): Letter;
  /** Reads the body of a response with status 200. Absent: the body means nothing. */
  read?(body: string): ReadResponse;
}
