// Prints at exit which OpenTelemetry packages the process has loaded. They are CommonJS, so require.cache lists them.
import { createRequire } from 'node:module';

const { cache } = createRequire(import.meta.url);
process.once('exit', () => {
  const names = Object.keys(cache).flatMap(
    (file) => /node_modules\/(@opentelemetry\/[^/]+)/.exec(file)?.[1] ?? [],
  );
  process.stdout.write(`loaded: ${[...new Set(names)].join(' ')}\n`);
});
