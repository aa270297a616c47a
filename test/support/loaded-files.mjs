// Prints the URL or path of every file that the process loads: ES modules by a loader hook, CommonJS files by require.cache at exit.
import { writeSync } from 'node:fs';
import { createRequire, register } from 'node:module';

register(
  `data:text/javascript,${encodeURIComponent(`
    import { writeSync } from 'node:fs';
    export async function load(url, context, next) {
      writeSync(1, url + '\\n');
      return next(url, context);
    }
  `)}`,
);
const { cache } = createRequire(import.meta.url);
process.once('exit', () => writeSync(1, Object.keys(cache).join('\n')));
