import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An OpenTelemetry collector that stores what it receives. */
export interface Collector {
  url: string;
  /** All bodies so far, unparsed. */
  received: string[];
  /** Names of the spans, and of the metrics, so far. They are sent as JSON: `OTEL_EXPORTER_OTLP_PROTOCOL=http/json`. */
  spans: () => string[];
  metrics: () => string[];
  close: () => Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const received: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push(Buffer.concat(chunks).toString());
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const named = (signal: string): string[] => [
    ...new Set(
      received
        .flatMap((body) => arraysIn(JSON.parse(body), signal))
        .map((each) => String(each['name'])),
    ),
  ];
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    spans: () => named('spans'),
    metrics: () => named('metrics'),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Returns the values of this key at any depth. */
function arraysIn(json: unknown, key: string): Record<string, unknown>[] {
  if (typeof json !== 'object' || json === null) return [];
  return Object.entries(json).flatMap(([name, value]) =>
    name === key && Array.isArray(value)
      ? (value as Record<string, unknown>[])
      : arraysIn(value, key),
  );
}
