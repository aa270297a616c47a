// Prints the URL or path of every file that the process loads: ES modules by a loader hook, CommonJS files by require.cache at exit.
import { writeSync } from 'node:fs';
import * as nodeModule from 'node:module';

function load(url, context, next) {
  writeSync(1, `${url}\n`);
  return next(url, context);
}

if ('registerHooks' in nodeModule) nodeModule.registerHooks({ load });
// Node 20, whose hooks run in another thread. Deprecated since Node 26.
else
  nodeModule.register(
    `data:text/javascript,${encodeURIComponent(`import { writeSync } from 'node:fs'; export ${load.toString()}`)}`,
  );
const { cache } = nodeModule.createRequire(import.meta.url);
process.once('exit', () => writeSync(1, Object.keys(cache).join('\n')));
