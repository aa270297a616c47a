import type { Duration } from '../world/clock.js';

/** One attempt to deliver. */
export interface DeliveryAttempt {
  /** When it was due, by the sandbox's clock. */
  at: Date;
  /** HTTP status of the response. 0: there was no response. */
  status: number;
  /** Real milliseconds until the response or the failure. */
  ms: number;
  /** Why there was no response or no valid reply, or what {@link NextDelivery} did to this attempt. */
  note?: string;
  /** The passive reply to a push: `'success'`, `''`, or the message, verified and decrypted. */
  reply?: unknown;
}

/** A notification of WeChat Pay or a message push, with its attempts. */
export interface Delivery {
  id: string;
  kind: 'pay' | 'push';
  /** The event and its subject: `TRANSACTION.SUCCESS 20261129001`. */
  title: string;
  url: string;
  attempts: readonly DeliveryAttempt[];
  /** The receiver has acknowledged it. */
  done: boolean;
  /** When the next attempt is due, by the sandbox's clock. Absent: there is no further attempt. */
  nextAt?: Date;
}

/** How a message is changed: its body after signing, its signature, or its ciphertext, which then does not decrypt. */
export type Tampering = 'body' | 'signature' | 'ciphertext';

/** A fault of one attempt. */
export interface DeliveryFault {
  /** Nothing is sent, and WeChat gets no response. */
  drop?: boolean;
  /** The message is sent this many times at once. */
  duplicate?: number;
  /** The message is sent this much later, by the sandbox's clock. */
  delay?: Duration;
  /** The message is sent with this change. The next attempt is unchanged. */
  tamper?: Tampering;
  /** The message is a probe of WeChat Pay: its signature begins with `WECHATPAY/SIGNTEST/` and must be refused. A push has a wrong signature instead. */
  signTest?: boolean;
}

/** A {@link DeliveryFault} for the next attempt. */
export interface NextDelivery extends DeliveryFault {
  /** The number of consecutive attempts with the fault. @default 1 */
  times?: number;
}

/** The bytes of one attempt. */
export interface Letter {
  query?: URLSearchParams;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** The result of reading the body of a response. */
export type ReadResponse = Pick<DeliveryAttempt, 'reply' | 'note'>;

/** A message to deliver, with its schedule and its rules for retries. */
export interface Message {
  kind: Delivery['kind'];
  title: string;
  url: string;
  /** The pauses between the attempts, in milliseconds. */
  repeatAfter: readonly number[];
  /** Whether a response with this status acknowledges the message. 0 means no response. */
  isAcknowledgement(status: number): boolean;
  /** Whether an attempt that was not acknowledged is repeated. */
  isRepeatedAfter(status: number): boolean;
  /** Writes the message for one attempt, with a new signature. */
  write(tampering?: Tampering | 'signTest'): Letter;
  /** Reads the body of a response with status 200. Absent: the body is ignored. */
  read?(body: string): ReadResponse;
}
