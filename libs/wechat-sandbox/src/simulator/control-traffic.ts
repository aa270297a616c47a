import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isObject } from '../transport/request.js';
import { masked } from './masking.js';
import type { Traffic } from './traffic.js';

/** Adds the calls of the control plane to the diagram: actions on a phone as calls to WeChat, all others as remarks at WeChat. */
export function recordControlCalls(server: FastifyInstance, traffic: Traffic): void {
  server.addHook('preSerialization', async (request, reply, payload) => {
    if (request.method === 'POST' && reply.statusCode < 300) record(traffic, request, payload);
    return payload;
  });
}

function record(
  traffic: Traffic,
  { params, body, routeOptions }: FastifyRequest,
  payload: unknown,
): void {
  const { id: user, action } = params as { id?: string; action?: string };
  if (user && action && action !== 'rotateSessionKey') {
    const title = titleOf(action);
    const request = traffic.add({ from: 'client', to: 'wechat', title, user });
    traffic.respond(request, { status: 200, body: masked(payload) });
    return;
  }
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
