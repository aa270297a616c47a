import { serveTasks, spentCpu } from './child.js';

/** Runs the compiled reference app in this process, with the settings of the environment. */
const MAIN = new URL('../../../apps/sample/apps/sample/src/main.js', import.meta.url);

await import(MAIN.href);

serveTasks({ url: () => `http://127.0.0.1:${process.env['PORT']}`, cpu: spentCpu });
