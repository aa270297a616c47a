import { inspect } from 'node:util';
import { milliseconds, type Duration } from '../world/clock.js';
import { SandboxError } from '../world/sandbox-error.js';
import type { NextDelivery } from './delivery.js';

const MAX_COPIES = 100;
const MAX_TIMES = 1000;

const isFlag = (value: unknown): boolean => typeof value === 'boolean';
const isCount =
  (max: number) =>
  (value: unknown): boolean =>
    Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max;

/** The fields of a fault with their valid values. Faults also come from curl, so TypeScript alone does not check them. */
const FIELDS: Record<keyof NextDelivery, (value: unknown) => boolean> = {
  drop: isFlag,
  duplicate: isCount(MAX_COPIES),
  delay: (value) => milliseconds(value as Duration) >= 0,
  tamper: (value) => ['body', 'signature', 'ciphertext'].includes(value as string),
  signTest: isFlag,
  times: isCount(MAX_TIMES),
};

/** Throws a SandboxError if a field is unknown or has an invalid value. */
export function assertDeliveryFault(fault: object): asserts fault is NextDelivery {
  const rules = new Map(Object.entries(FIELDS));
  for (const [field, value] of Object.entries(fault)) {
    const isValid = rules.get(field);
    if (!isValid)
      throw new SandboxError(
        `A fault of a delivery has no field ${field}. It has: ${[...rules.keys()].join(', ')}.`,
      );
    if (value !== undefined && !isValid(value))
      throw new SandboxError(`${field}: ${inspect(value)} is not a valid value of this field.`);
  }
}
