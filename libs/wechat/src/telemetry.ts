import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import {
  context,
  createNoopMeter,
  metrics,
  ProxyTracerProvider,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Attributes, Context, Span } from '@opentelemetry/api';
import {
  accessTokenChannel,
  callChannel,
  handlerChannel,
  retryChannel,
  runOperationsWith,
  sessionChannel,
  storeChannel,
} from './diagnostics.js';
import type { Tracing, WechatCallRetry } from './diagnostics.js';
import { WechatError } from './wechat.errors.js';

const NAME = 'nestjs-wechat';
/** Milliseconds. Redis in the same network responds within 1 ms, and a call to the store fails after 250 ms. */
const STORE_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000];

/** The observed applications of this process. Channels belong to the process, so all of them share one subscription. */
const observed = new Set<Telemetry>();
let unsubscribe: (() => void) | undefined;

/**
 * Converts the messages of the diagnostics channels to OpenTelemetry spans and metrics. It subscribes only if an SDK was started
 * before the application. Attributes are endpoints, verbs, events, numbers and codes. No attribute is a URL, a token, an openid or a text
 * of a client or of WeChat.
 */
@Injectable()
export class Telemetry implements OnApplicationShutdown {
  constructor() {
    if (!isSdkStarted()) return;
    unsubscribe?.(); // the SDK can have been replaced since the previous application started
    unsubscribe = subscribe();
    observed.add(this);
  }

  onApplicationShutdown(): void {
    if (!observed.delete(this) || observed.size > 0) return;
    unsubscribe?.();
    unsubscribe = undefined;
  }
}

function createInstruments() {
  const meter = metrics.getMeter(NAME);
  return {
    calls: meter.createHistogram('wechat.call.duration', {
      unit: 'ms',
      description: 'Calls to WeChat, by endpoint and outcome',
    }),
    retries: meter.createCounter('wechat.call.retries', {
      description: 'Attempts after the first, by endpoint',
    }),
    fetches: meter.createCounter('wechat.access_token.fetches', {
      description: 'Access tokens fetched, by mode and outcome',
    }),
    handlers: meter.createHistogram('wechat.handler.duration', {
      unit: 'ms',
      description: 'Handlers of notifications and pushes, by event and outcome',
    }),
    sessions: meter.createCounter('wechat.session.operations', {
      description: 'Logins, refreshes and lookups, by outcome',
    }),
    stores: meter.createHistogram('wechat.store.duration', {
      unit: 'ms',
      description: 'Operations of the store, by verb and outcome',
      advice: { explicitBucketBoundaries: STORE_BUCKETS },
    }),
  };
}

/** Subscribes to every channel. Returns the function that ends the subscriptions. */
function subscribe(): () => void {
  const { calls, retries, fetches, handlers, sessions, stores } = createInstruments();
  const onRetry = (message: unknown): void => {
    const { call, error } = message as WechatCallRetry;
    retries.add(1, { endpoint: call.endpoint });
    running.get(call)?.span?.addEvent('retry', attributesOf(error));
  };
  retryChannel.subscribe(onRetry);
  runOperationsWith(runInSpan);
  const ends = [
    () => runOperationsWith(),
    () => retryChannel.unsubscribe(onRetry),
    observe(callChannel, {
      span: ({ endpoint }) => ({
        name: `wechat ${endpoint}`,
        kind: SpanKind.CLIENT,
        attributes: { 'wechat.endpoint': endpoint },
      }),
      record: ({ endpoint }, outcome, ms) => calls.record(ms, { endpoint, ...outcome }),
    }),
    observe(accessTokenChannel, {
      span: ({ mode }) => ({ name: 'wechat access token', attributes: { 'wechat.mode': mode } }),
      record: ({ mode }, outcome) => fetches.add(1, { mode, ...outcome }),
    }),
    observe(handlerChannel, {
      span: ({ event }) => ({ name: `wechat handle ${event}`, kind: SpanKind.CONSUMER }),
      record: ({ event }, outcome, ms) => handlers.record(ms, { event, ...outcome }),
    }),
    // Every guarded request finds a session and reads the store once. Both are measured, but have no span.
    observe(sessionChannel, {
      span: ({ operation }) => (operation === 'find' ? undefined : { name: `wechat ${operation}` }),
      record: ({ operation }, outcome) => sessions.add(1, { operation, ...outcome }),
    }),
    observe(storeChannel, {
      span: ({ verb }) => (verb === 'get' ? undefined : { name: `wechat store ${verb}` }),
      record: ({ verb }, outcome, ms) => stores.record(ms, { verb, ...outcome }),
    }),
  ];
  return () => ends.forEach((end) => end());
}

/** How the messages of one channel are recorded. */
interface Observer<Message> {
  /** The span of an operation, or `undefined` for none. */
  span: (
    message: Message,
  ) => { name: string; kind?: SpanKind; attributes?: Attributes } | undefined;
  record: (message: Message, outcome: Attributes, ms: number) => void;
}

/** The running operations, by their message. */
const running = new WeakMap<object, { startedAt: number; span?: Span; inSpan?: Context }>();

/** Runs an operation in the context of its span, so that other spans become its children. */
function runInSpan<T>(message: object, work: () => T): T {
  const inSpan = running.get(message)?.inSpan;
  return inSpan ? context.with(inSpan, work) : work();
}

function observe<Message extends object>(
  channel: Tracing<Message>,
  { span: spanOf, record }: Observer<Message>,
): () => void {
  const tracer = trace.getTracer(NAME);
  const onStart = (message: unknown): void => {
    const parent = context.active();
    const { name, ...options } = spanOf(message as Message) ?? {};
    const span = name === undefined ? undefined : tracer.startSpan(name, options, parent);
    const inSpan = span && trace.setSpan(parent, span);
    running.set(message as Message, { startedAt: performance.now(), span, inSpan });
  };
  const onEnd = (message: unknown): void => {
    const operation = running.get(message as Message);
    if (!operation) return; // it started before the subscription
    const { error } = message as { error?: unknown };
    record(message as Message, outcomeOf(error), performance.now() - operation.startedAt);
    if (error !== undefined) {
      operation.span?.setAttributes(attributesOf(error));
      operation.span?.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) });
    }
    operation.span?.end();
  };
  channel.start.subscribe(onStart);
  channel.asyncEnd.subscribe(onEnd);
  return () => {
    channel.start.unsubscribe(onStart);
    channel.asyncEnd.unsubscribe(onEnd);
  };
}

/** Returns whether an OpenTelemetry SDK is registered. Otherwise the API returns a no-op meter and a provider without a tracer. */
function isSdkStarted(): boolean {
  const provider = trace.getTracerProvider();
  return (
    metrics.getMeter(NAME) !== createNoopMeter() ||
    !(provider instanceof ProxyTracerProvider) ||
    provider.getDelegateTracer(NAME) !== undefined
  );
}

/** Returns the labels of a metric. A rid is not a label, because each call has another one. */
function outcomeOf(error: unknown): Attributes {
  if (error === undefined) return { outcome: 'ok' };
  const { errcode, payCode } = error instanceof WechatError ? error : {};
  return {
    outcome: codeOf(error),
    ...(errcode !== undefined && { errcode }),
    ...(payCode && { pay_code: payCode }),
  };
}

function attributesOf(error: unknown): Attributes {
  const { errcode, payCode, rid, attempt } = error instanceof WechatError ? error : {};
  return {
    'error.type': codeOf(error),
    'wechat.errcode': errcode,
    'wechat.pay_code': payCode,
    'wechat.rid': rid,
    'wechat.attempt': attempt,
  };
}

function codeOf(error: unknown): string {
  return error instanceof WechatError ? error.code : 'ERR_UNKNOWN';
}
