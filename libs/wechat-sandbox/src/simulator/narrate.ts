import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isObject } from '../transport/request.js';
import { masked } from './masking.js';
import type { Traffic } from './traffic.js';

/** What people do by hand, in the diagram: taps on a phone as calls to WeChat, everything else as a remark on WeChat's line. */
export function narrate(server: FastifyInstance, traffic: Traffic): void {
  server.addHook('preSerialization', async (request, reply, payload) => {
    if (request.method === 'POST' && reply.statusCode < 300) tell(traffic, request, payload);
    return payload;
  });
}

function tell(
  traffic: Traffic,
  { params, body, routeOptions }: FastifyRequest,
  payload: unknown,
): void {
  const { id, action } = params as { id?: string; action?: string };
  if (id && action && action !== 'rotateSessionKey') {
    traffic.exchange(
      { from: 'client', to: 'wechat', title: nameOf(action), who: id },
      { status: 200, body: masked(payload) },
    );
  } else {
    const title = action ?? (routeOptions.url ?? '').replace('/sandbox/', '');
    traffic.say({
      from: 'wechat',
      to: 'wechat',
      title,
      ...(id && { who: id }),
      ...(isObject(body) && { body: masked(body) }),
    });
  }
}

/** The phone number comes with the event of a button, the consent with a dialog; the rest are functions of `wx`. */
function nameOf(action: string): string {
  return action === 'getPhoneNumber' || action === 'authorize' ? action : `wx.${action}`;
}
