import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isObject } from '../transport/request.js';
import { USER_ACTIONS } from '../control/users.js';
import type { Users } from '../world/users.js';
import { masked } from './masking.js';
import type { NumberedMessage, Traffic } from './traffic.js';

/** Adds the calls of the control plane to the diagram: actions on a phone as calls to WeChat, all others as remarks at WeChat. */
export function recordControlCalls(server: FastifyInstance, traffic: Traffic, users: Users): void {
  const calls = new WeakMap<FastifyRequest, NumberedMessage>();
  server.addHook('preHandler', async (request) => {
    const { id: user, action } = paramsOf(request);
    if (request.method !== 'POST' || !user || !action || action === 'rotateSessionKey') return;
    if (!users.get(user) || !USER_ACTIONS.includes(action)) return;
    // before the action, which may send a notification at once
    const title = titleOf(action);
    calls.set(request, traffic.add({ from: 'client', to: 'wechat', title, user }));
  });
  server.addHook('preSerialization', async (request, reply, payload) => {
    const call = calls.get(request);
    const { statusCode: status } = reply;
    if (call) traffic.respond(call, { status, body: masked(payload) });
    else if (request.method === 'POST' && status < 300) remark(traffic, request);
    return payload;
  });
}

const paramsOf = ({ params }: FastifyRequest): { id?: string; action?: string } => params as object;

function remark(traffic: Traffic, request: FastifyRequest): void {
  const { body, routeOptions } = request;
  const { id: user, action } = paramsOf(request);
  traffic.add({
    from: 'wechat',
    to: 'wechat',
    title: action ?? (routeOptions.url ?? '').replace('/sandbox/', ''),
    ...(user && { user }),
    ...(isObject(body) && { body: masked(body) }),
  });
}

/** The phone number is in the event of a button, and the consent in a dialog. All other actions are functions of `wx`. */
function titleOf(action: string): string {
  return action === 'getPhoneNumber' || action === 'authorize' ? action : `wx.${action}`;
}
