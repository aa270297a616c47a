import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import type { DataPoint, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

/** OpenTelemetry's SDK as an application starts it, with exporters in memory. */
export interface Observed {
  /**
   * Spans that have ended since the last `forget`, the first to end first. Store operations without a parent are left out: the
   * channels belong to the process, and an application of an earlier test file can still renew a claim in the background.
   */
  spans: () => ReadableSpan[];
  metrics: () => Promise<ResourceMetrics>;
  /** The points of one metric. */
  points: (metric: string) => Promise<DataPoint<any>[]>;
  forget: () => void;
  stop: () => Promise<void>;
}

/** Call it before the application is created. */
export function observe({ withMetrics = true } = {}): Observed {
  const ended = new InMemorySpanExporter();
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meters = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(ended)] }),
  );
  if (withMetrics) metrics.setGlobalMeterProvider(meters);
  const collect = async (): Promise<ResourceMetrics> => {
    exporter.reset();
    await meters.forceFlush();
    return exporter.getMetrics()[0]!;
  };
  return {
    spans: () =>
      ended
        .getFinishedSpans()
        .filter(
          ({ name, parentSpanContext: parent }) => parent || !name.startsWith('wechat store'),
        ),
    metrics: collect,
    points: async (metric) =>
      (await collect()).scopeMetrics
        .flatMap((scope) => scope.metrics)
        .find(({ descriptor }) => descriptor.name === metric)?.dataPoints ?? [],
    forget: () => ended.reset(),
    stop: async () => {
      await meters.shutdown();
      trace.disable();
      metrics.disable();
      context.disable();
    },
  };
}
