import { In } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { Identity } from './identity.entity.js';
import { User } from './user.entity.js';

/** Whatever has a `user_id` and moves when two accounts become one. A new table of yours goes on this list. */
const BELONGINGS = ['identities', 'recordings'];

/** What an account takes over from the other one where it has nothing itself. Pairs stand together: they are taken together. */
const TAKEN_OVER = [
  ['unionid'],
  ['phoneNumber', 'phoneE164'],
  ['nickName'],
  ['avatarUrl', 'avatarFile'],
  ['gender', 'country', 'province', 'city', 'language'],
] as const satisfies (keyof User)[][];

export interface Join {
  /** The account that stays. */
  into: string;
  /** The account that goes. */
  from: string;
  /** What made the two one person. It is looked at again once both rows are locked. */
  because: (into: User) => boolean;
}

/**
 * Makes one account of two, unless WeChat has said that they are two people (docs/one-person.md).
 * Both rows are locked, in the order of their ids, so that joins that race wait for each other and never block each other.
 */
export async function join(db: EntityManager, { into, from, because }: Join): Promise<boolean> {
  const rows = await db.find(User, {
    where: { id: In([into, from]) },
    order: { id: 'ASC' },
    lock: { mode: 'pessimistic_write' },
  });
  const stays = rows.find(({ id }) => id === into);
  const goes = rows.find(({ id }) => id === from);
  if (!stays || !goes || !because(stays)) return false;
  const identities = await db.findBy(Identity, { userId: In([into, from]) });
  if (areTwoPeople(stays, goes, identities)) return false;
  for (const table of BELONGINGS)
    await db.query(`UPDATE ${table} SET user_id = $1 WHERE user_id = $2`, [into, from]);
  await db.delete(User, from);
  await db.update(User, into, takenOver(stays, goes));
  return true;
}

/** Two numbers, two unionids, or two openids in one app. */
function areTwoPeople(one: User, other: User, identities: Identity[]): boolean {
  const apps = new Set(identities.map(({ appId }) => appId));
  const differ = (field: 'phoneE164' | 'unionid'): boolean =>
    one[field] !== null && other[field] !== null;
  return differ('phoneE164') || differ('unionid') || apps.size < identities.length;
}

function takenOver(stays: User, goes: User): Partial<User> {
  const missing = TAKEN_OVER.filter(([first]) => stays[first] === null).flat();
  return { id: stays.id, ...Object.fromEntries(missing.map((field) => [field, goes[field]])) };
}
