import { createHash } from 'node:crypto';

/** The id of a recording by its number: `md5(number::text)::uuid` of PostgreSQL. */
export function nameOf(number: number): string {
  const digits = createHash('md5').update(String(number)).digest('hex');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
