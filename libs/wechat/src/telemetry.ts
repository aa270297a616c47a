import {
  createNoopMeter,
  metrics,
  ProxyTracerProvider,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Attributes, Counter, Histogram, Span } from '@opentelemetry/api';
import { Injectable } from '@nestjs/common';
import type { StoreVerb } from './store/measured.store.js';
import { WechatError } from './wechat.errors.js';

const NAME = 'nestjs-wechat';
const OK: Attributes = { outcome: 'ok' };
/** Redis next door answers in fractions of a millisecond, and after 250 ms it counts as gone. */
const STORE_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000];

/**
 * Spans and metrics through `@opentelemetry/api`, which does nothing until the application starts an SDK; start it before
 * Nest. Attributes are endpoints, numbers and codes: never a URL, a token, an openid or a text from outside.
 */
@Injectable()
export class Telemetry {
  /** Whether an SDK was there when the application was made. What would cost without anybody seeing it is left out then. */
  readonly isObserved: boolean;
  private readonly tracer = trace.getTracer(NAME);
  private readonly calls: Histogram;
  private readonly retries: Counter;
  private readonly tokens: Counter;
  private readonly sessions: Counter;
  private readonly stores: Histogram;

  constructor() {
    const meter = metrics.getMeter(NAME);
    this.isObserved = meter !== createNoopMeter() || isTracing();
    this.calls = meter.createHistogram('wechat.call.duration', {
      unit: 'ms',
      description: 'Calls to WeChat, by endpoint and outcome',
    });
    this.retries = meter.createCounter('wechat.call.retries', {
      description: 'Attempts after the first, by endpoint',
    });
    this.tokens = meter.createCounter('wechat.access_token.fetches', {
      description: 'Access tokens fetched, by mode and outcome',
    });
    this.sessions = meter.createCounter('wechat.session.operations', {
      description: 'Logins, refreshes and lookups, by outcome',
    });
    this.stores = meter.createHistogram('wechat.store.duration', {
      unit: 'ms',
      description: 'What was asked of the store, by verb and outcome',
      advice: { explicitBucketBoundaries: STORE_BUCKETS },
    });
  }

  /** One call to WeChat, its attempts included. */
  async call<T>(endpoint: string, work: (span: Span) => Promise<T>): Promise<T> {
    const started = performance.now();
    return this.span(
      `wechat ${endpoint}`,
      { 'wechat.endpoint': endpoint },
      SpanKind.CLIENT,
      work,
      (outcome) => this.calls.record(performance.now() - started, { endpoint, ...outcome }),
    );
  }

  /** An attempt failed and the next one follows. The call may yet go well, so what failed is told here or nowhere. */
  retried(endpoint: string, span: Span, failed: WechatError): void {
    this.retries.add(1, { endpoint });
    span.addEvent('retry', attributesOf(failed));
  }

  /** One fetch of an access token. */
  tokenFetch<T>(mode: string, work: () => Promise<T>): Promise<T> {
    return this.span(
      'wechat access token',
      { 'wechat.mode': mode },
      SpanKind.INTERNAL,
      work,
      (outcome) => this.tokens.add(1, { mode, ...outcome }),
    );
  }

  /** A login or a refresh. */
  session<T>(operation: 'login' | 'refresh', work: () => Promise<T>): Promise<T> {
    return this.span(`wechat ${operation}`, {}, SpanKind.INTERNAL, work, (outcome) =>
      this.sessions.add(1, { operation, ...outcome }),
    );
  }

  /** The look at a session that every guarded request takes. It is counted without a span: the hot path stays bare. */
  lookup<T>(work: () => Promise<T>): Promise<T> {
    return this.isObserved
      ? counted(work, (outcome) => this.sessions.add(1, { operation: 'find', ...outcome }))
      : work();
  }

  /** One verb of the store. Writes are spans; reads are not, because every guarded request is one. */
  store<T>(verb: StoreVerb, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const count = (outcome: Attributes): void =>
      this.stores.record(performance.now() - started, { verb, ...outcome });
    return verb === 'get'
      ? counted(work, count)
      : this.span(`wechat store ${verb}`, {}, SpanKind.INTERNAL, work, count);
  }

  private span<T>(
    name: string,
    attributes: Attributes,
    kind: SpanKind,
    work: (span: Span) => Promise<T>,
    count: (outcome: Attributes) => void,
  ): Promise<T> {
    return this.tracer.startActiveSpan(name, { kind, attributes }, async (span) => {
      try {
        return await counted(() => work(span), count);
      } catch (error) {
        span.setAttributes(attributesOf(error));
        span.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) });
        throw error;
      } finally {
        span.end();
      }
    });
  }
}

/** Before an SDK is registered the API hands out a stand-in without a tracer behind it. */
function isTracing(): boolean {
  const provider = trace.getTracerProvider();
  return (
    !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer(NAME) !== undefined
  );
}

/** Tells how it went, with WeChat's number if WeChat gave one. A rid is no attribute of a metric: each is another. */
async function counted<T>(
  work: () => Promise<T>,
  count: (outcome: Attributes) => void,
): Promise<T> {
  try {
    const result = await work();
    count(OK);
    return result;
  } catch (error) {
    const { errcode } = error instanceof WechatError ? error : {};
    count({ outcome: codeOf(error), ...(errcode !== undefined && { errcode }) });
    throw error;
  }
}

function attributesOf(error: unknown): Attributes {
  const { errcode, rid, attempt } = error instanceof WechatError ? error : {};
  return {
    'error.type': codeOf(error),
    'wechat.errcode': errcode,
    'wechat.rid': rid,
    'wechat.attempt': attempt,
  };
}

function codeOf(error: unknown): string {
  return error instanceof WechatError ? error.code : 'ERR_UNKNOWN';
}
