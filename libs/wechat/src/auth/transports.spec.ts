import type { ExecutionContext } from '@nestjs/common';
import { carrierOf } from './request-auth.js';
import { rememberHandshake, requestOf } from './session-rd.extractor.js';

const handler = () => undefined;

const contextOf = (type: string, ...args: unknown[]) =>
  ({
    getType: () => type,
    getArgByIndex: (i: number) => args[i],
    getHandler: () => handler,
    switchToHttp: () => ({ getRequest: () => args[0] }),
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

describe('carrierOf', () => {
  it('returns the same object for each call of one request or client', () => {
    const [client, other] = [{}, {}];
    expect(carrierOf(contextOf('http', request))).toBe(request);
    expect(carrierOf(contextOf('ws', client))).toBe(carrierOf(contextOf('ws', client)));
    expect(carrierOf(contextOf('ws', client))).not.toBe(carrierOf(contextOf('ws', other)));
  });
});
