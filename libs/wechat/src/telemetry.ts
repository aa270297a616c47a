import { metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Attributes, Counter, Histogram, Span } from '@opentelemetry/api';
import { Injectable } from '@nestjs/common';
import { WechatError } from './wechat.errors.js';

const NAME = 'nestjs-wechat';
const FOUND: Attributes = { operation: 'find', outcome: 'ok' };

/**
 * Spans and metrics through `@opentelemetry/api`, which does nothing until the application starts an SDK; start it before
 * Nest. Attributes are endpoints, numbers and codes: never a URL, a token, an openid or a text from outside.
 */
@Injectable()
export class Telemetry {
  private readonly tracer = trace.getTracer(NAME);
  private readonly calls: Histogram;
  private readonly retries: Counter;
  private readonly tokens: Counter;
  private readonly sessions: Counter;

  constructor() {
    const meter = metrics.getMeter(NAME);
    this.calls = meter.createHistogram('wechat.call.duration', { unit: 'ms', description: 'Calls to WeChat, by endpoint and outcome' });
    this.retries = meter.createCounter('wechat.call.retries', { description: 'Attempts after the first, by endpoint' });
    this.tokens = meter.createCounter('wechat.access_token.fetches', { description: 'Access tokens fetched, by mode and outcome' });
    this.sessions = meter.createCounter('wechat.session.operations', { description: 'Logins, refreshes and lookups, by outcome' });
  }

  /** One call to WeChat, its attempts included. */
  async call<T>(endpoint: string, work: (span: Span) => Promise<T>): Promise<T> {
    const started = performance.now();
    return this.span(`wechat ${endpoint}`, { 'wechat.endpoint': endpoint }, SpanKind.CLIENT, work, (outcome) =>
      this.calls.record(performance.now() - started, { endpoint, ...outcome }),
    );
  }

  retried(endpoint: string, span: Span, attempt: number): void {
    this.retries.add(1, { endpoint });
    span.addEvent('retry', { attempt });
  }

  /** One fetch of an access token. */
  tokenFetch<T>(mode: string, work: () => Promise<T>): Promise<T> {
    return this.span('wechat access token', { 'wechat.mode': mode }, SpanKind.INTERNAL, work, (outcome) =>
      this.tokens.add(1, { mode, ...outcome }),
    );
  }

  /** A login or a refresh. */
  session<T>(operation: 'login' | 'refresh', work: () => Promise<T>): Promise<T> {
    return this.span(`wechat ${operation}`, {}, SpanKind.INTERNAL, work, (outcome) => this.sessions.add(1, { operation, ...outcome }));
  }

  /** The look at a session that every guarded request takes. It is counted without a span: the hot path stays bare. */
  async lookup<T>(work: Promise<T>): Promise<T> {
    try {
      const found = await work;
      this.sessions.add(1, FOUND);
      return found;
    } catch (error) {
      this.sessions.add(1, { operation: 'find', outcome: error instanceof WechatError ? error.code : 'ERR_UNKNOWN' });
      throw error;
    }
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
        const result = await work(span);
        count({ outcome: 'ok' });
        return result;
      } catch (error) {
        const { code, errcode, rid, attempt } = error instanceof WechatError ? error : { code: 'ERR_UNKNOWN' };
        span.setAttributes({ 'error.type': code, 'wechat.errcode': errcode, 'wechat.rid': rid, 'wechat.attempt': attempt });
        span.setStatus({ code: SpanStatusCode.ERROR, message: code });
        count({ outcome: code, ...(errcode !== undefined && { errcode }) });
        throw error;
      } finally {
        span.end();
      }
    });
  }
}
