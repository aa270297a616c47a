import { inspect } from 'node:util';
import { milliseconds, type Duration } from './world/clock.js';
import { SandboxError } from './world/sandbox-error.js';

/**
 * What goes wrong with one answer. Times in a fault are real time. Fields combine where that makes sense, for example
 * `{ errcode: -1, delay: '2s' }`. Without any of `errcode`, `status`, `body` and `redirect`, the platform does its work as usual.
 */
export interface Fault {
  /** WeChat's refusal: HTTP 200 with `{errcode, errmsg}`. Nothing is done, a code stays unused. */
  errcode?: number;
  /** @default WeChat's usual text for the errcode, with a rid */
  errmsg?: string;
  /** An HTTP status, as gateways in front of WeChat answer. */
  status?: number;
  headers?: Record<string, string>;
  /** Sent as it is; an object as JSON. */
  body?: string | Buffer | object;
  /** @default what WeChat uses on this path, `text/html` for a bare status */
  contentType?: string;
  /** Answers 302 to this address. */
  redirect?: string;
  /** Changes the JSON of the true answer, after the work is done. */
  transform?: (json: Record<string, unknown>) => unknown;
  /** The work is done at once, the answer leaves this much later. */
  delay?: Duration;
  /** One byte leaves per this much time. */
  drip?: Duration;
  /** Which part drips: the head with all that follows, or only the body. @default 'body' */
  dripFrom?: 'headers' | 'body';
  /**
   * The connection breaks: `true` when the request has been read, `'before-reading'` before its body, `'after-work'` when the work is
   * done (the code is used) and no byte has been answered, `'mid-answer'` after half of the body.
   */
  reset?: true | 'before-reading' | 'after-work' | 'mid-answer';
  /** The connection stays open and no byte is ever answered: `true` without the work, `'after-work'` with it. */
  hang?: true | 'after-work';
}

/** A {@link Fault} for the next answer. */
export interface NextFault extends Fault {
  /** For how many answers in a row. @default 1 */
  times?: number;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isNumber = (value: unknown): boolean => typeof value === 'number';
const isDuration = (value: unknown): boolean =>
  (typeof value === 'number' || typeof value === 'string') && milliseconds(value) >= 0;
const oneOf =
  (...choices: unknown[]) =>
  (value: unknown): boolean =>
    choices.includes(value);

/** The fields of a fault and what each may hold. Faults also come from curl, so TypeScript alone does not guard them. */
const FIELDS: Record<keyof NextFault, (value: unknown) => boolean> = {
  errcode: isNumber,
  errmsg: isText,
  status: isNumber,
  headers: (value) => typeof value === 'object',
  body: (value) => isText(value) || typeof value === 'object',
  contentType: isText,
  redirect: isText,
  transform: (value) => typeof value === 'function',
  delay: isDuration,
  drip: isDuration,
  dripFrom: oneOf('headers', 'body'),
  reset: oneOf(true, 'before-reading', 'after-work', 'mid-answer'),
  hang: oneOf(true, 'after-work'),
  times: isNumber,
};

/** Checks a fault of unknown origin. */
export function assertFault(fault: object): asserts fault is NextFault {
  const rules = new Map(Object.entries(FIELDS));
  for (const [field, value] of Object.entries(fault)) {
    if (!rules.has(field))
      throw new SandboxError(
        `A fault has no field ${field}. It has: ${[...rules.keys()].join(', ')}.`,
      );
    if (value !== undefined && !rules.get(field)?.(value))
      throw new SandboxError(
        `${field}: ${inspect(value)} is not a value of this field of a fault.`,
      );
  }
}

/** Which answers go wrong: those queued for the next calls, then those that always apply. */
export class FaultPlan {
  private readonly queued = new Map<string, Fault[]>();
  private readonly lasting = new Map<string, Fault>();

  constructor(private readonly paths: ReadonlySet<string>) {}

  /** For the next answer on a path (`'*'`: on any path). Several are used in the order they were queued. */
  next(path: string, { times = 1, ...fault }: NextFault): void {
    this.check(path, fault);
    this.queued.set(path, [
      ...(this.queued.get(path) ?? []),
      ...Array.from({ length: times }, () => fault),
    ]);
  }

  /** For every answer on a path (`'*'`: on every path) until {@link FaultPlan.clear}. */
  always(path: string, fault: Fault): void {
    this.check(path, fault);
    this.lasting.set(path, fault);
  }

  /** Forgets all faults of a path, or all. */
  clear(path?: string): void {
    for (const plan of [this.queued, this.lasting]) {
      if (path === undefined) plan.clear();
      else plan.delete(path);
    }
  }

  /** The fault for the call that has just arrived. */
  take(path: string): Fault {
    return (
      this.queued.get(path)?.shift() ??
      this.queued.get('*')?.shift() ??
      this.lasting.get(path) ??
      this.lasting.get('*') ??
      {}
    );
  }

  private check(path: string, fault: Fault): void {
    if (path !== '*' && !this.paths.has(path)) {
      throw new SandboxError(
        `The sandbox has no WeChat path ${path}. It has: ${[...this.paths].join(', ')}, and '*' for all of them.`,
      );
    }
    assertFault(fault);
  }
}
