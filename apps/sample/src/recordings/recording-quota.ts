import type { EntityManager } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { Recording } from './recording.entity.js';

export interface Usage {
  bytes: number;
  files: number;
}

export const USAGE =
  'SELECT coalesce(sum(file_size), 0) AS bytes, count(*) AS files FROM recordings WHERE user_id = $1';

/** The size and number of a user's recordings. A recording with a missing file counts until it is deleted. */
async function usageOf(db: EntityManager, userId: string): Promise<Usage> {
  const [usage] = await db.query<{ bytes: string; files: string }[]>(USAGE, [userId]);
  return { bytes: Number(usage?.bytes), files: Number(usage?.files) };
}

/** @throws QuotaExceededError if one more file of this size is too much */
export async function checkQuota(
  db: EntityManager,
  userId: string,
  allowed: Usage,
  fileSize: number,
): Promise<void> {
  const used = await usageOf(db, userId);
  if (used.files + 1 > allowed.files || used.bytes + fileSize > allowed.bytes)
    throw new QuotaExceededError(used, allowed);
}

/**
 * Inserts a recording if the quota allows it. The row of the user is locked, so that uploads of one user are counted one after the other,
 * on whichever instance they arrive.
 * @param alsoInsert inserts further rows in the same transaction
 * @returns false if the account has been deleted
 * @throws QuotaExceededError
 */
export function insertWithinQuota(
  db: EntityManager,
  recording: Recording,
  allowed: Usage,
  alsoInsert: (db: EntityManager) => Promise<unknown>,
): Promise<boolean> {
  return db.transaction(async (transaction) => {
    const { userId, fileSize } = recording;
    const owners = await transaction.query<unknown[]>(
      'SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE',
      [userId],
    );
    if (owners.length === 0) return false;
    await checkQuota(transaction, userId, allowed, fileSize);
    await transaction.insert(Recording, recording);
    await alsoInsert(transaction);
    return true;
  });
}

export class QuotaExceededError extends AppError {
  constructor(used: Usage, allowed: Usage) {
    super(409, 'ERR_QUOTA', 'quota exceeded; delete recordings first', { data: { used, allowed } });
  }
}
