import type { FastifyReply } from 'fastify';
import type { WechatSandbox } from '../sandbox.js';
import { OAUTH_SCOPES, type SandboxUser } from '../world/user.js';
import type { Fields } from './fields.js';

/** What a user's phone can do, by the name in the URL. */
const ACTIONS: Record<string, (user: SandboxUser, fields: Fields) => Promise<object>> = {
  login: (user, fields) => user.login(fields.text('appId')),
  getUserInfo: (user, fields) => user.getUserInfo(fields.text('appId')),
  getUserProfile: (user, fields) => user.getUserProfile(fields.text('appId')),
  getPhoneNumber: (user, fields) => user.getPhoneNumber(fields.text('appId')),
  getWeRunData: (user, fields) => user.getWeRunData(fields.text('appId')),
  getShareInfo: (user, fields) => user.getShareInfo(fields.text('appId')),
  getGroupEnterInfo: (user, fields) => user.getGroupEnterInfo(fields.text('appId')),
  authorize: (user, fields) =>
    user.authorize(fields.text('appId'), { scope: fields.choice('scope', OAUTH_SCOPES) }),
  rotateSessionKey: async (user, fields) => {
    user.rotateSessionKey(fields.text('appId'));
    return {}; // the key itself is for the server's eyes alone
  },
};

/** The names of everything a user can do over HTTP. */
export const ACTION_NAMES = Object.keys(ACTIONS);

/** Lets a user tap something; 404 with the known names for an unknown user or action. */
export async function act(
  wechat: WechatSandbox,
  path: { id: string; action: string },
  fields: Fields,
  reply: FastifyReply,
): Promise<object> {
  const user = wechat.users.get(path.id);
  const run = Object.hasOwn(ACTIONS, path.action) && ACTIONS[path.action];
  if (user && run) return run(user, fields);
  const known = user ? ACTION_NAMES : wechat.users.all.map(({ id }) => id);
  return reply.code(404).send({
    error: `There is no such ${user ? 'action' : 'user'}. There are: ${known.join(', ')}.`,
  });
}

/** Registers a user and shows them. */
export function createUser(wechat: WechatSandbox, fields: Fields): object {
  const user = wechat.users.create({
    id: fields.text('id'),
    nickName: fields.text('nickName'),
    avatarUrl: fields.text('avatarUrl'),
    phoneNumber: fields.text('phoneNumber'),
    countryCode: fields.text('countryCode'),
    openid: fields.text('openid'),
    highRisk: fields.flag('highRisk'),
  });
  return describeUser(wechat, user);
}

/** A user as the control plane shows them. */
export function describeUser({ apps }: WechatSandbox, user: SandboxUser): object {
  const { id, nickName, avatarUrl, phoneNumber, countryCode, highRisk } = user;
  const openids = Object.fromEntries(apps.map(({ appId }) => [appId, user.openid(appId)]));
  return { id, nickName, avatarUrl, phoneNumber, countryCode, highRisk, openids };
}
