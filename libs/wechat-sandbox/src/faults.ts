import { validateHeaderName, validateHeaderValue } from 'node:http';
import { inspect } from 'node:util';
import { PAY_CODES } from './pay/pay-failure.js';
import { isObject } from './transport/request.js';
import { milliseconds } from './world/clock.js';
import type { Duration } from './world/clock.js';
import { SandboxError } from './world/sandbox-error.js';

/**
 * A fault of one response. Times in a fault are real time. Fields can be combined, for example `{ errcode: -1, delay: '2s' }`.
 * Without `errcode`, `status`, `body` and `redirect`, the platform handles the call as usual.
 */
export interface Fault {
  /** WeChat's refusal: HTTP 200 with `{errcode, errmsg}`. The call has no effect, so a code stays unused. */
  errcode?: number;
  /** @default WeChat's usual text for the errcode, with a rid */
  errmsg?: string;
  /** A refusal of WeChat Pay with its usual status, without effect of the call: `'NOT_ENOUGH'`. For paths under /v3. */
  payCode?: string;
  /** The digits at the end of `Request-ID`, which distinguish some refusals with the same code. @default the usual digits of `payCode` */
  paySuffix?: number;
  /** The defect of the signature of a successful response, after the call has taken effect. For paths under /v3. */
  tamper?: 'body' | 'signature' | 'unsigned' | 'stale';
  /** An HTTP status from 200 to 599, as a gateway in front of WeChat returns it. */
  status?: number;
  /** At most 50 headers. The security headers of the sandbox cannot be replaced. */
  headers?: Record<string, string>;
  /** A text or Buffer is sent as it is, an object as JSON. At most 64 MiB. */
  body?: string | Buffer | object;
  /** @default the type that WeChat uses on this path; `text/html` for a bare status */
  contentType?: string;
  /** Redirects with 302 to this address. */
  redirect?: string;
  /** Changes the JSON of the usual response, after the call has taken effect. */
  transform?: (json: Record<string, unknown>) => unknown;
  /** The call takes effect at once and the response is sent this much later, at most one day. */
  delay?: Duration;
  /** Sends one byte per this much time. */
  drip?: Duration;
  /** Which part is sent byte by byte: the headers and the body, or only the body. @default 'body' */
  dripFrom?: 'headers' | 'body';
  /**
   * Resets the connection: `true` when the request has been read, `'before-reading'` before its body is read, `'after-work'` when the
   * call has taken effect (the code is used) and before the response, `'mid-answer'` after half of the response body.
   */
  reset?: true | 'before-reading' | 'after-work' | 'mid-answer';
  /** Keeps the connection open and sends nothing: `true` without effect of the call, `'after-work'` with it. */
  hang?: true | 'after-work';
}

/** A {@link Fault} for the next responses. */
export interface NextFault extends Fault {
  /** The number of responses, from 1 to 10 000. @default 1 */
  times?: number;
}

const LONGEST_TEXT = 8192;
const LARGEST_BODY = 64 * 1024 * 1024;
const LONGEST_DELAY = milliseconds('1d');
const MOST_HEADERS = 50;
const MOST_TIMES = 10_000;
const MOST_QUEUED = 1000;

const isInteger = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
const isText = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= LONGEST_TEXT;
const isDelay = (value: unknown): boolean =>
  (typeof value === 'number' || typeof value === 'string') && milliseconds(value) <= LONGEST_DELAY;
const isHeaderValue = (value: unknown): boolean =>
  typeof value === 'string' && isText(value) && isValid(() => validateHeaderValue('x', value));
const isHeaders = (value: unknown): boolean =>
  isObject(value) &&
  Object.keys(value).length <= MOST_HEADERS &&
  Object.entries(value).every(
    ([name, text]) => isValid(() => validateHeaderName(name)) && isHeaderValue(text),
  );
const isBody = (value: unknown): boolean =>
  (typeof value === 'string' && value.length <= LARGEST_BODY) ||
  (Buffer.isBuffer(value) && value.length <= LARGEST_BODY) ||
  (typeof value === 'object' && value !== null && !Buffer.isBuffer(value));

function isValid(validate: () => void): boolean {
  try {
    validate();
    return true;
  } catch {
    return false;
  }
}

/** The valid values of a field of a fault. */
interface Rule {
  allows: (value: unknown) => boolean;
  /** Completes the sentence "It must be …". */
  must: string;
}

const TEXT: Rule = { allows: isText, must: `a text of at most ${LONGEST_TEXT} characters` };
const HEADER_VALUE: Rule = {
  allows: isHeaderValue,
  must: `a text of at most ${LONGEST_TEXT} characters without line breaks`,
};
const DELAY: Rule = { allows: isDelay, must: 'a duration of at most one day' };
const oneOf = (...choices: unknown[]): Rule => ({
  allows: (value) => choices.includes(value),
  must: `one of ${choices.map((choice) => inspect(choice)).join(', ')}`,
});

/** The fields of a fault. Faults also come from curl, so TypeScript alone does not check them. */
const FIELDS: Record<keyof NextFault, Rule> = {
  errcode: {
    allows: (value) => isInteger(value, -(2 ** 31), 2 ** 31 - 1),
    must: 'an integer of 32 bits',
  },
  errmsg: TEXT,
  status: { allows: (value) => isInteger(value, 200, 599), must: 'an integer from 200 to 599' },
  payCode: oneOf(...PAY_CODES),
  paySuffix: {
    allows: (value) => isInteger(value, 0, 2 ** 31 - 1),
    must: 'a positive integer of 31 bits',
  },
  tamper: oneOf('body', 'signature', 'unsigned', 'stale'),
  headers: {
    allows: isHeaders,
    must: `an object of at most ${MOST_HEADERS} valid HTTP headers, each a text of at most ${LONGEST_TEXT} characters`,
  },
  body: { allows: isBody, must: `an object, or a text or Buffer of at most ${LARGEST_BODY} bytes` },
  contentType: HEADER_VALUE,
  redirect: HEADER_VALUE,
  transform: { allows: (value) => typeof value === 'function', must: 'a function' },
  delay: DELAY,
  drip: DELAY,
  dripFrom: oneOf('headers', 'body'),
  reset: oneOf(true, 'before-reading', 'after-work', 'mid-answer'),
  hang: oneOf(true, 'after-work'),
  times: {
    allows: (value) => isInteger(value, 1, MOST_TIMES),
    must: `an integer from 1 to ${MOST_TIMES}`,
  },
};

/** Throws a {@link SandboxError} if an object is not a valid fault. */
export function assertFault(fault: object): asserts fault is NextFault {
  const rules = new Map(Object.entries(FIELDS));
  for (const [field, value] of Object.entries(fault)) {
    const rule = rules.get(field);
    if (!rule)
      throw new SandboxError(
        `A fault has no field ${field.slice(0, 64)}. It has: ${[...rules.keys()].join(', ')}.`,
      );
    if (value !== undefined && !rule.allows(value))
      throw new SandboxError(
        `${field}: ${inspect(value, { depth: 1, maxArrayLength: 3, maxStringLength: 64 })} is not a valid value. It must be ${rule.must}.`,
      );
  }
}

/** A queued fault and the number of its remaining responses. */
interface QueuedFault {
  fault: Fault;
  left: number;
}

/** Returns the fault of each response: first the queued faults, then the lasting ones. */
export class FaultPlan {
  private readonly queued = new Map<string, QueuedFault[]>();
  private readonly lasting = new Map<string, Fault>();

  constructor(private readonly paths: ReadonlySet<string>) {}

  /** Queues a fault for the next responses on a path (`'*'`: on any path). Faults are used in the order they were queued. */
  next(path: string, { times = 1, ...fault }: NextFault): void {
    this.check(path, { ...fault, times });
    const queue = this.queued.get(path) ?? [];
    if (queue.length >= MOST_QUEUED)
      throw new SandboxError(
        `${MOST_QUEUED} faults are queued for ${path}. Use times, or remove them with clear().`,
      );
    this.queued.set(path, [...queue, { fault, left: times }]);
  }

  /** Sets the fault of every response on a path (`'*'`: on every path) until {@link FaultPlan.clear}. */
  always(path: string, fault: Fault): void {
    this.check(path, fault);
    this.lasting.set(path, fault);
  }

  /** Removes all faults of a path, or all faults. */
  clear(path?: string): void {
    for (const plan of [this.queued, this.lasting]) {
      if (path === undefined) plan.clear();
      else plan.delete(path);
    }
  }

  /** Returns the fault for the call that has just arrived, and counts it as used. */
  take(path: string): Fault {
    return (
      this.takeQueued(path) ??
      this.takeQueued('*') ??
      this.lasting.get(path) ??
      this.lasting.get('*') ??
      {}
    );
  }

  private takeQueued(path: string): Fault | undefined {
    const queue = this.queued.get(path);
    const first = queue?.[0];
    if (!queue || !first) return undefined;
    first.left--;
    if (first.left === 0) queue.shift();
    return first.fault;
  }

  private check(path: string, fault: object): void {
    if (path !== '*' && !this.paths.has(path)) {
      throw new SandboxError(
        `The sandbox has no WeChat path ${path.slice(0, 128)}. It has: ${[...this.paths].join(', ')}, and '*' for all of them.`,
      );
    }
    assertFault(fault);
  }
}
