import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { NodeSDK, resources } from '@opentelemetry/sdk-node';
import type { FastifyRequest } from 'fastify';

/**
 * OpenTelemetry for this process. `OTEL_EXPORTER_OTLP_ENDPOINT` switches it on; that and every other `OTEL_…` variable is
 * read by the SDK. The usual instrumentation of HTTP is left out: its spans carry URLs, and in WeChat's URLs, as in those of
 * the central service, stand secrets.
 */
export class Telemetry {
  private constructor(private readonly sdk: NodeSDK) {}

  static start(): Telemetry {
    const sdk = new NodeSDK({ resourceDetectors: [resources.envDetector] }); // the others tell the command line and the account
    sdk.start();
    return new Telemetry(sdk);
  }

  /** A span around each request; what is left to send is sent before the process ends. */
  observe(app: NestFastifyApplication): void {
    traceRequests(app);
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onClose', () => this.sdk.shutdown());
  }
}

/**
 * A span around each request, for the spans of the library to lie in. It carries the route's pattern, never the URL, a header
 * or a body. A trace begins here: nobody outside decides what its id is and what else is written into it.
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
    // As late as can be before Nest's handler: reading the body leaves whatever context was set earlier.
    .addHook('preHandler', (request, _reply, done) => context.with(contextOf(request), done))
    .addHook('onResponse', (request, { statusCode }, done) => {
      const span = trace.getSpan(contextOf(request));
      span?.setAttribute('http.response.status_code', statusCode);
      if (statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
      span?.end();
      done();
    });
}
