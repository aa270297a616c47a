import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { NodeSDK, resources } from '@opentelemetry/sdk-node';
import type { FastifyRequest } from 'fastify';

/**
 * Exports spans and metrics of this process with OpenTelemetry. `OTEL_EXPORTER_OTLP_ENDPOINT` switches it on. The SDK reads this and
 * every other `OTEL_…` variable. The usual instrumentation of HTTP is not used, because its spans contain URLs. The URLs of WeChat's API
 * and of the central service contain secrets.
 */
export class Telemetry {
  private constructor(private readonly sdk: NodeSDK) {}

  static start(): Telemetry {
    const sdk = new NodeSDK({ resourceDetectors: [resources.envDetector] }); // the other detectors export the command line and the user account
    sdk.start();
    return new Telemetry(sdk);
  }

  /** Creates a span for each request, and exports the remaining data before the process ends. */
  observe(app: NestFastifyApplication): void {
    traceRequests(app);
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onClose', () => this.sdk.shutdown());
  }
}

/**
 * Creates a span for each request. The spans of the library are its children. It has the route's pattern, never the URL, a header or
 * a body. Each request starts a new trace: a `traceparent` header is ignored, so a client cannot choose the trace id.
 */
export function traceRequests(app: NestFastifyApplication): void {
  const tracer = trace.getTracer('sample');
  const contexts = new WeakMap<FastifyRequest, Context>();
  const contextOf = (request: FastifyRequest): Context => contexts.get(request) ?? context.active();
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      const { method, routeOptions } = request;
      const route = routeOptions.url ?? 'unmatched';
      const attributes = { 'http.request.method': method, 'http.route': route };
      const span = tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes });
      contexts.set(request, trace.setSpan(context.active(), span));
      done();
    })
    // The last hook before Nest's handler, because reading the body loses a context that was set earlier.
    .addHook('preHandler', (request, _reply, done) => context.with(contextOf(request), done))
    .addHook('onResponse', (request, { statusCode }, done) => {
      const span = trace.getSpan(contextOf(request));
      span?.setAttribute('http.response.status_code', statusCode);
      if (statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
      span?.end();
      done();
    });
}
