import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { WechatSessionError } from '../wechat.errors.js';
import { carrierOf, getSession } from './request-auth.js';
import { rememberHandshake, requestOf } from './session-rd.extractor.js';
import type { RequestWithHeaders } from './session-rd.extractor.js';
import { SessionGuard } from './session.guard.js';

// #region hybrid
/** For `@MessagePattern()` and `@EventPattern()`: the sender puts the token of its user into the message. */
@Injectable()
class MessageSessionGuard extends SessionGuard {
  protected override getRequest(context: ExecutionContext): RequestWithHeaders {
    const { sessionRd } = context.switchToRpc().getData<{ sessionRd?: string }>();
    return { headers: { 'x-session-rd': sessionRd } };
  }
}
// #endregion hybrid

const handler = () => undefined;

const contextOf = (type: string, ...args: unknown[]) =>
  ({
    getType: () => type,
    getArgByIndex: (i: number) => args[i],
    getHandler: () => handler,
    getClass: () => Object,
    switchToHttp: () => ({ getRequest: () => args[0] }),
    switchToRpc: () => ({ getData: () => args[0] }),
    switchToWs: () => ({ getClient: () => args[0] }),
  }) as unknown as ExecutionContext;

const request = { headers: { 'x-session-rd': 'srd_' } };

describe('requestOf', () => {
  it.each([
    ['an HTTP request', contextOf('http', request)],
    ['a query of Apollo or Mercurius', contextOf('graphql', null, {}, { req: request })],
    ['a subscription of Mercurius', contextOf('graphql', null, {}, { request })],
    [
      'a subscription of Apollo with graphql-ws',
      contextOf('graphql', null, {}, { req: { extra: { request } } }),
    ],
    ['a client of socket.io', contextOf('ws', { handshake: request })],
  ])('returns %s', (_, context) => {
    expect(requestOf(context)).toBe(request);
  });

  it('returns the handshake of a ws client after rememberHandshake, and its subprotocol before', () => {
    const client = { protocol: 'session-rd.srd_' };
    expect(requestOf(contextOf('ws', client)).headers).toEqual({
      upgrade: 'websocket',
      'sec-websocket-protocol': client.protocol,
    });
    rememberHandshake(client, request);
    expect(requestOf(contextOf('ws', client))).toBe(request);
  });

  it('throws an error that says how to provide the request if it finds none', () => {
    expect(() => requestOf(contextOf('graphql', null, {}, {}))).toThrow(
      /context\(\) return \{ req: request \}/,
    );
    expect(() => requestOf(contextOf('rpc', {}))).toThrow(/'rpc'.*override getRequest\(\)/);
  });
});

describe('a guard for messages of a microservice', () => {
  const session = { appId: 'wx1', openid: 'o1' };
  const sessions = {
    find: (sessionRd: string) =>
      sessionRd === 'srd_known'
        ? Promise.resolve(session)
        : Promise.reject(new WechatSessionError()),
  };
  const guard = new MessageSessionGuard(
    sessions as never,
    { isLazy: false, find: () => Promise.resolve('the user') } as never,
    {} as never,
  );

  it('finds the session in the message', async () => {
    const context = contextOf('rpc', { sessionRd: 'srd_known' });
    expect(await guard.canActivate(context)).toBe(true);
    expect(getSession(context)).toBe(session);
  });

  it.each([{}, { sessionRd: 'srd_other' }])('refuses %j', async (message) => {
    await expect(guard.canActivate(contextOf('rpc', message))).rejects.toThrow(WechatSessionError);
  });
});

describe('carrierOf', () => {
  it('returns the same object for each call of one request or client', () => {
    const [client, other] = [{}, {}];
    expect(carrierOf(contextOf('http', request))).toBe(request);
    expect(carrierOf(contextOf('ws', client))).toBe(carrierOf(contextOf('ws', client)));
    expect(carrierOf(contextOf('ws', client))).not.toBe(carrierOf(contextOf('ws', other)));
  });
});
