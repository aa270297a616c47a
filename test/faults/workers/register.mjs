import * as nodeModule from 'node:module';
import * as hooks from './hooks.mjs';

if ('registerHooks' in nodeModule) nodeModule.registerHooks(hooks);
else nodeModule.register('./hooks.mjs', import.meta.url); // Node 20. Deprecated since Node 26
