import { randomBytes } from 'node:crypto';
import { newPhoneNumber } from './ids.js';
import { SandboxError } from './sandbox-error.js';
import { SandboxUser } from './user.js';
import type { UserProfile, UserWorld } from './user.js';

/** The data of a new user. Fields that are absent get generated values. */
export interface NewUser extends Partial<Omit<UserProfile, 'openids'>> {
  /** A fixed openid for the first mini program, or one for each appId. @default derived from the id */
  openid?: string | Record<string, string>;
}

const DEMO_USERS: NewUser[] = [
  { id: 'alice', nickName: 'Alice 爱丽丝', phoneNumber: '13580006666' },
  { id: 'bob', nickName: 'Bob 鲍勃', phoneNumber: '13900001234' },
  { id: 'mallory', nickName: 'Mallory 高风险用户', phoneNumber: '13700009999', highRisk: true },
];

const MOST_USERS = 100_000;

/** The users of WeChat. */
export class Users {
  private readonly byId = new Map<string, SandboxUser>();

  /** @internal */
  constructor(private readonly world: UserWorld) {}

  get all(): SandboxUser[] {
    return [...this.byId.values()];
  }

  create(options: NewUser = {}): SandboxUser {
    if (this.byId.size >= MOST_USERS)
      throw new SandboxError(`A sandbox has at most ${MOST_USERS} users. Start another one.`);
    const user = new SandboxUser(this.profile(options), this.world);
    this.byId.set(user.id, user);
    return user;
  }

  /** Creates Alice, Bob, and Mallory, who is blocked by WeChat's risk control. */
  createDemoUsers(): void {
    for (const user of DEMO_USERS) this.create(user);
  }

  get(id: string): SandboxUser | undefined {
    return this.byId.get(id);
  }

  /** Returns the user with this openid in this app, or undefined. */
  findByOpenid(appId: string, openid: string): SandboxUser | undefined {
    return this.all.find((user) => user.openid(appId) === openid);
  }

  private profile({ openid, ...options }: NewUser): UserProfile {
    const id = options.id ?? `user-${randomBytes(4).toString('hex')}`;
    if (!/^[\w.-]{1,64}$/.test(id))
      throw new SandboxError(
        `The user id ${JSON.stringify(id)} is not valid in a URL. Use letters, digits and '-'.`,
      );
    if (this.byId.has(id))
      throw new SandboxError(
        `The user ${id} exists already. Choose another id, or use wechat.users.get('${id}').`,
      );
    const openids =
      typeof openid === 'string'
        ? { [this.world.apps.pick('mini-program').appId]: openid }
        : (openid ?? {});
    this.refuseForeignOpenids(openids);
    return {
      id,
      openids,
      nickName: options.nickName ?? `用户${id.slice(-4)}`,
      avatarUrl:
        options.avatarUrl ??
        `https://thirdwx.qlogo.cn/mmopen/vi_32/${randomBytes(24).toString('base64url')}/132`,
      phoneNumber: options.phoneNumber ?? newPhoneNumber(),
      countryCode: options.countryCode ?? '86',
      highRisk: options.highRisk ?? false,
    };
  }

  private refuseForeignOpenids(openids: Record<string, string>): void {
    const taken = Object.entries(openids).find(([appId, openid]) =>
      this.findByOpenid(appId, openid),
    );
    if (taken)
      throw new SandboxError(
        `The openid ${taken[1]} belongs to another user of ${taken[0]}. Openids are unique in an app.`,
      );
  }
}
