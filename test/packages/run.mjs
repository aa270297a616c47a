// `npm run test:packages`: tests the packages as tarballs and in new applications. `-- --no-consumers` tests only the tarballs.
import { checkApi } from '../../tools/api.mjs';
import { checkPackages } from './check.mjs';
import { testConsumers } from './consumers.mjs';
import { checkImage } from './image.mjs';
import { testMiniPrograms } from './mini-programs.mjs';
import { packAll } from './pack.mjs';
import { say } from './shell.mjs';

const started = Date.now();
say('The packages');
const tarballs = await packAll();
await checkPackages(tarballs);
const changes = await checkApi();
if (changes.length > 0)
  throw new Error(`${changes.join('\n')}\nIf the change is intended: npm run api:update`);
say('  the API reports, the reference and the examples match the build');
if (!process.argv.includes('--no-consumers')) {
  say('New applications');
  await Promise.all([
    testConsumers(tarballs),
    testMiniPrograms(tarballs['nestjs-wechat-miniprogram']),
  ]);
  await checkImage();
}
say(`All checks passed after ${Math.round((Date.now() - started) / 1000)} s`);
