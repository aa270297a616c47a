import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { Channel, TracingChannel } from 'node:diagnostics_channel';
import type { WechatError } from './wechat.errors.js';

/** A login, a refresh, or the lookup of a session by a guard. */
export interface SessionOperation {
  operation: 'login' | 'refresh' | 'find';
}

/** One verb of the store. */
export interface StoreOperation {
  verb: 'get' | 'add' | 'replace' | 'remove' | 'take' | 'count';
}

/** One call to WeChat, its retries included. */
export interface WechatCall {
  endpoint: string;
}

/** A failed attempt of a call that is followed by another attempt. */
export interface WechatCallRetry {
  call: WechatCall;
  error: WechatError;
}

/** One fetch of an access token from WeChat. */
export interface AccessTokenFetch {
  mode: string;
}

/** One run of a handler of `@OnPayNotification` or `@OnWechatMessage`. */
export interface HandlerRun {
  /** As in the decorator, so `*` for a message that has no handler of its own. */
  event: string;
}

/*
 * The diagnostics channels of this library. They belong to the process, not to one Nest application.
 * Messages contain endpoints, verbs and errors, and never a secret.
 */
export const sessionChannel = tracing<SessionOperation>('nestjs-wechat:session');
export const storeChannel = tracing<StoreOperation>('nestjs-wechat:store');
export const callChannel = tracing<WechatCall>('nestjs-wechat:call');
export const accessTokenChannel = tracing<AccessTokenFetch>('nestjs-wechat:access-token');
export const handlerChannel = tracing<HandlerRun>('nestjs-wechat:handler');
export const retryChannel: Channel = channel('nestjs-wechat:call:retry');

/** Runs a traced operation, and returns what it returns. */
export type OperationRunner = <T>(message: object, work: () => T) => T;

const runDirectly: OperationRunner = (_message, work) => work();
let run = runDirectly;

/**
 * Sets what runs all traced operations, after the start of each is published. So an operation can run in the context of OpenTelemetry. A
 * store bound to a channel cannot do that: since Node 26 a channel does not call the `run` of the store.
 */
export function runOperationsWith(runner: OperationRunner = runDirectly): void {
  run = runner;
}

export type Tracing<Message extends object> = TracingChannel<unknown, Message>;

/**
 * Runs `work` and publishes its start, its end and its error on a channel. The result is not published, because it can contain
 * a secret, such as a session_key.
 */
export async function traced<Message extends object, T>(
  on: Tracing<Message>,
  message: Message,
  work: () => Promise<T>,
): Promise<T> {
  let result!: T;
  await on.tracePromise(async () => {
    result = await run(message, work);
  }, message);
  return result;
}

type AsyncMethod<Args extends unknown[], T> = (...args: Args) => Promise<T>;

/** Returns a method that is `traced` while its channel has subscribers. Otherwise it only calls `method`. */
export function tracedMethod<Message extends object, Args extends unknown[], T>(
  on: Tracing<Message>,
  message: Message,
  method: AsyncMethod<Args, T>,
): AsyncMethod<Args, T> {
  return function (this: unknown, ...args: Args): Promise<T> {
    return on.hasSubscribers
      ? traced(on, { ...message }, () => method.apply(this, args))
      : method.apply(this, args);
  };
}

/** Publishes every call of a method on a channel, while the channel has subscribers. */
export function Traced<Message extends object>(on: Tracing<Message>, message: Message) {
  return function <Args extends unknown[], T>(
    _target: object,
    _name: string,
    descriptor: TypedPropertyDescriptor<AsyncMethod<Args, T>>,
  ): void {
    if (descriptor.value) descriptor.value = tracedMethod(on, message, descriptor.value);
  };
}

function tracing<Message extends object>(name: string): Tracing<Message> {
  return tracingChannel<unknown, Message>(name);
}
