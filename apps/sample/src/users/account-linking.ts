import { In } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { moveOrders } from '../shop/orders-of-account.js';
import { Identity } from './identity.entity.js';
import { User } from './user.entity.js';

/** The tables with a `user_id`. Their rows move when two accounts are merged. Add your own tables here. */
const OWNED_TABLES = ['identities', 'recordings', 'contents'];

/** Fields that a merged account takes from the removed one if it has none itself. Each group is taken together. */
const INHERITED_FIELDS = [
  ['unionid'],
  ['phoneNumber', 'phoneE164', 'phoneVerifiedAt'],
  ['nickName', 'nickNameCheckedAt'],
  ['avatarUrl', 'avatarFile'],
  ['gender', 'country', 'province', 'city', 'language'],
] as const satisfies (keyof User)[][];

/** Why two accounts belong to the same person. */
export type Evidence =
  | { unionid: string }
  /** The number must have been verified for the account since `verifiedSince`. */
  | { phoneE164: string; verifiedSince: Date };

export interface Merge {
  /** Id of the account that stays. */
  into: string;
  /** Id of the account that is removed. */
  from: string;
  evidence: Evidence;
}

export type IdentityKey = Pick<Identity, 'appId' | 'openid'>;

/**
 * Locks accounts until the transaction ends, always in the order of their ids, so that transactions never wait for each other
 * in a circle.
 *
 * @returns the accounts that exist, by id
 */
export async function lockUsers(
  db: EntityManager,
  ...ids: (string | undefined)[]
): Promise<Map<string, User>> {
  const users = await db.find(User, {
    where: { id: In(ids.filter((id) => id !== undefined)) },
    order: { id: 'ASC' },
    lock: { mode: 'pessimistic_write' },
  });
  return new Map(users.map((user) => [user.id, user]));
}

/**
 * Merges two accounts, unless the evidence no longer holds or WeChat says that they are two people.
 *
 * @returns whether they were merged
 */
export async function mergeAccounts(
  db: EntityManager,
  { into, from, evidence }: Merge,
): Promise<boolean> {
  const users = await lockUsers(db, into, from);
  const [kept, removed] = [users.get(into), users.get(from)];
  if (!kept || !removed || !holds(evidence, kept)) return false;
  const identities = await db.findBy(Identity, { userId: In([into, from]) });
  if (haveConflict(kept, removed, identities)) return false;
  if ('phoneE164' in evidence || !(await isOwnUnionid(db, into, evidence.unionid)))
    await db.update(Identity, { userId: from }, { joinedByPhone: true });
  for (const table of OWNED_TABLES)
    await db.query(`UPDATE ${table} SET user_id = $1 WHERE user_id = $2`, [into, from]);
  await moveOrders(db, into, from);
  await db.delete(User, from);
  await db.update(User, into, inheritedFields(kept, removed));
  return true;
}

/**
 * The identities that belong to an account for another reason than its phone number: those that did not join by phone, and
 * those for which WeChat has since returned the unionid of such an identity.
 */
export function ownIdentities(identities: Identity[]): Identity[] {
  const unionids = new Set(
    identities.filter(({ joinedByPhone }) => !joinedByPhone).map(({ unionid }) => unionid),
  );
  return identities.filter(
    ({ joinedByPhone, unionid }) => !joinedByPhone || (unionid !== null && unionids.has(unionid)),
  );
}

/**
 * Moves every identity that joined by phone alone to a new, empty account.
 *
 * @param account locked by `lockUsers`
 * @param identities all identities of the account
 * @returns the identities that left
 */
export async function detachPhoneIdentities(
  db: EntityManager,
  account: User,
  identities: Identity[],
): Promise<Identity[]> {
  const own = ownIdentities(identities);
  const leaving = identities.filter((identity) => !own.includes(identity));
  for (const identity of leaving) await detachIdentity(db, account, identity);
  return leaving;
}

/**
 * Moves one identity to a new, empty account. If the account has its unionid from this identity alone, it loses the unionid.
 *
 * @param account locked by `lockUsers`
 * @returns the id of the new account
 */
export async function detachIdentity(
  db: EntityManager,
  account: User,
  identity: IdentityKey,
): Promise<string> {
  const userId = await createUser(db, null);
  await moveIdentity(db, identity, userId);
  const { unionid } = account;
  if (unionid !== null && !(await db.existsBy(Identity, { userId: account.id, unionid })))
    await db.update(User, account.id, { unionid: null });
  return userId;
}

/**
 * Records the unionid that WeChat returned for an identity that is already known. If another account has the unionid, both
 * become one account. An identity that joined by phone alone leaves its account instead and moves to the unionid's account.
 */
export async function recordUnionid(
  db: EntityManager,
  { appId, openid }: IdentityKey,
  unionid: string,
): Promise<void> {
  const known = await db.findOneBy(Identity, { appId, openid });
  if (!known) return;
  const { userId } = known;
  const holder = await db.findOneBy(User, { unionid });
  const account = (await lockUsers(db, userId, holder?.id)).get(userId);
  const identities = await db.findBy(Identity, { userId });
  const identity = identities.find((one) => one.appId === appId && one.openid === openid);
  if (!account || !identity) return; // it was moved or deleted meanwhile: its next login records the unionid
  await db.update(Identity, { appId, openid }, { unionid });
  identity.unionid = unionid;
  if (account.unionid === unionid) return;
  const isOwn = ownIdentities(identities).includes(identity);
  if (account.unionid === null && !holder) await db.update(User, account.id, { unionid });
  else if (!isOwn) await moveToUnionid(db, identity, unionid, holder);
  else if (account.unionid === null && holder)
    await mergeAccounts(db, { into: holder.id, from: account.id, evidence: { unionid } });
}

/** Whether an identity that did not join by phone has the unionid. An identity that is found by another unionid came by phone too. */
function isOwnUnionid(db: EntityManager, userId: string, unionid: string): Promise<boolean> {
  return db.existsBy(Identity, { userId, unionid, joinedByPhone: false });
}

async function moveToUnionid(
  db: EntityManager,
  { appId, openid }: IdentityKey,
  unionid: string,
  holder: User | null,
): Promise<void> {
  const isFree = holder && !(await db.existsBy(Identity, { userId: holder.id, appId }));
  const userId = isFree ? holder.id : await createUser(db, holder ? null : unionid);
  const joinedByPhone = isFree ? !(await isOwnUnionid(db, holder.id, unionid)) : false;
  await moveIdentity(db, { appId, openid }, userId, joinedByPhone);
}

async function createUser(db: EntityManager, unionid: string | null): Promise<string> {
  const { identifiers } = await db.insert(User, { unionid });
  return String(identifiers[0]?.['id']);
}

async function moveIdentity(
  db: EntityManager,
  { appId, openid }: IdentityKey,
  userId: string,
  joinedByPhone = false,
): Promise<void> {
  await db.update(Identity, { appId, openid }, { userId, joinedByPhone });
}

function holds(evidence: Evidence, { unionid, phoneE164, phoneVerifiedAt }: User): boolean {
  if ('unionid' in evidence) return unionid === evidence.unionid;
  return (
    phoneE164 === evidence.phoneE164 &&
    phoneVerifiedAt !== null &&
    phoneVerifiedAt >= evidence.verifiedSince
  );
}

/** Whether WeChat says that two accounts are two people: two numbers, two unionids, or two openids in one app. */
function haveConflict(one: User, other: User, identities: Identity[]): boolean {
  const apps = new Set(identities.map(({ appId }) => appId));
  const differ = (field: 'phoneE164' | 'unionid'): boolean =>
    one[field] !== null && other[field] !== null;
  return differ('phoneE164') || differ('unionid') || apps.size < identities.length;
}

function inheritedFields(kept: User, removed: User): Partial<User> {
  const missing = INHERITED_FIELDS.filter(([first]) => kept[first] === null).flat();
  return { id: kept.id, ...Object.fromEntries(missing.map((field) => [field, removed[field]])) };
}
