import type { EntityManager } from 'typeorm';

/** How many rows one statement of a job changes at most, so that it holds no lock for long and stays far below the timeout of a query. */
export const PAGE_ROWS = 1000;

/**
 * Repeats a statement until it changes no row.
 *
 * @param statement an UPDATE or DELETE of at most `PAGE_ROWS` rows, which it does not find again
 */
export async function inPages(
  db: Pick<EntityManager, 'query'>,
  statement: string,
  parameters: unknown[],
): Promise<void> {
  let changed: number;
  do [, changed] = await db.query<[unknown[], number]>(statement, parameters);
  while (changed > 0);
}
