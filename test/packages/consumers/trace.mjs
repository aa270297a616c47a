// Fails if the process loads Redis, Passport or terminus without using them: imports by a loader hook, required files by
// require.cache at the end.
import { createRequire, register } from 'node:module';

const UNUSED =
  /node_modules\/(redis|@redis|cache-manager-redis-yet|passport|passport-custom|@nestjs\/passport|@nestjs\/terminus)\//;

register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      if (${UNUSED}.test(found.url)) throw new Error(context.parentURL + ' loads ' + found.url);
      return found;
    }
  `)}`,
);
process.once('exit', () => {
  const loaded = Object.keys(createRequire(import.meta.url).cache).find((file) =>
    UNUSED.test(file),
  );
  if (loaded === undefined) return;
  process.stderr.write(`The process loads ${loaded}\n`);
  process.exitCode = 1;
});
