// `npm run test:packages`: what a team installs, from the tarball on. `-- --no-consumers` stops after the checks of the tarballs.
import { checkApi } from '../../tools/api.mjs';
import { checkPackages } from './check.mjs';
import { testConsumers } from './consumers.mjs';
import { checkImage } from './image.mjs';
import { packAll } from './pack.mjs';
import { say } from './shell.mjs';

const started = Date.now();
say('The packages');
const tarballs = await packAll();
await checkPackages(tarballs);
const changes = await checkApi();
if (changes.length > 0)
  throw new Error(`${changes.join('\n')}\nIf the change is meant: npm run api:update`);
say('  the API reports, the reference and the examples of every export are what is built');
if (!process.argv.includes('--no-consumers')) {
  say('Fresh applications');
  await testConsumers(tarballs);
  await checkImage();
}
say(`All well after ${Math.round((Date.now() - started) / 1000)} s`);
