// `npm start`: compiles the reference app if its sources have changed, and runs it with the sandbox.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OUT, say } from './compile.mjs';

say('Starting the WeChat sandbox, the embedded database and the reference app.');
await import(pathToFileURL(join(OUT, 'apps/sample/src/demo.js')).href);
