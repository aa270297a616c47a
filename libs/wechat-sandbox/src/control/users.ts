import type { FastifyReply } from 'fastify';
import type { RequestPaymentParams } from '../world/request-payment.js';
import { OAUTH_SCOPES } from '../world/user.js';
import type { SandboxUser } from '../world/user.js';
import type { Users } from '../world/users.js';
import type { World } from '../world/world.js';
import type { Fields } from './fields.js';

/** The actions of a user on the phone, by their names in the URL. */
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
  requestPayment: (user, fields) =>
    user.requestPayment((fields.json['params'] ?? fields.json) as RequestPaymentParams, {
      outcome: fields.choice('outcome', ['ok', 'cancel', 'fail']),
      appId: fields.text('appId'),
    }),
  scanPayCode: (user, fields) =>
    user.scanPayCode(fields.need('codeUrl'), {
      outcome: fields.choice('outcome', ['ok', 'cancel', 'fail']),
    }),
  requestSubscribeMessage: (user, fields) =>
    user.requestSubscribeMessage(fields.texts('templateIds'), {
      choose: fields.choice('choose', ['accept', 'reject']),
      appId: fields.text('appId'),
    }),
  sendCustomerMessage: async (user, fields) => {
    await user.sendCustomerMessage(fields.need('content'), fields.text('appId'));
    return {};
  },
  openCustomerSession: async (user, fields) => {
    await user.openCustomerSession(fields.text('appId'));
    return {};
  },
  rotateSessionKey: async (user, fields) => {
    user.rotateSessionKey(fields.text('appId'));
    return {}; // without the key
  },
};

/** The names of all user actions. */
export const USER_ACTIONS = Object.keys(ACTIONS);

/** Runs one action of a user. An unknown user or action is 404 with the known names. */
export async function runUserAction(
  { users }: World,
  path: { id: string; action: string },
  fields: Fields,
  reply: FastifyReply,
): Promise<object> {
  const user = users.get(path.id);
  const run = Object.hasOwn(ACTIONS, path.action) && ACTIONS[path.action];
  if (user && run) return run(user, fields);
  return user ? unknown(reply, 'action', USER_ACTIONS) : unknownUser(reply, users);
}

/** Returns the messages on a user's phone. An unknown user is 404 with the known ones. */
export function messagesOf({ users }: World, id: string, reply: FastifyReply): object {
  const user = users.get(id);
  if (user) return user.messages;
  return unknownUser(reply, users);
}

function unknownUser(reply: FastifyReply, users: Users): FastifyReply {
  const ids = users.all.map(({ id }) => id);
  return unknown(reply, 'user', ids);
}

function unknown(reply: FastifyReply, what: string, known: string[]): FastifyReply {
  return reply
    .code(404)
    .send({ error: `There is no such ${what}. There are: ${known.join(', ')}.` });
}

/** Creates a user and returns the description. */
export function createUser(world: World, fields: Fields): object {
  const user = world.users.create({
    id: fields.text('id'),
    nickName: fields.text('nickName'),
    avatarUrl: fields.text('avatarUrl'),
    phoneNumber: fields.text('phoneNumber'),
    countryCode: fields.text('countryCode'),
    openid: fields.text('openid'),
    highRisk: fields.flag('highRisk'),
  });
  return describeUser(world, user);
}

/** Returns a user as the control plane shows it. */
export function describeUser({ apps }: World, user: SandboxUser): object {
  const { id, nickName, avatarUrl, phoneNumber, countryCode, highRisk } = user;
  const openids = Object.fromEntries(apps.all.map(({ appId }) => [appId, user.openid(appId)]));
  return { id, nickName, avatarUrl, phoneNumber, countryCode, highRisk, openids };
}
