// `npm run test:packages`: tests the packages as tarballs and in new applications.
// -- --no-consumers   only the tarballs
// -- --few            what CI runs: the tarballs, two rows of the table, and the mini programs
// -- --all            also every row of the table in docs/installing.md, which it compares, and built mini programs; --update writes the table
import { checkApi } from '../../tools/api.mjs';
import { durationSince } from '../../tools/progress.mjs';
import { checkPackages } from './check.mjs';
import { checkImage } from './image.mjs';
import { testMatrix } from './matrix.mjs';
import { testMiniProgramBuilds } from './mini-program-builds.mjs';
import { testMiniPrograms } from './mini-programs.mjs';
import { testNestAdd } from './nest-add.mjs';
import { packAll } from './pack.mjs';
import { say } from './shell.mjs';

const started = Date.now();
say('The packages: building, packing and checking the tarballs');
const tarballs = await packAll();
await checkPackages(tarballs);
const changes = await checkApi();
if (changes.length > 0)
  throw new Error(`${changes.join('\n')}\nIf the change is intended: npm run api:update`);
say('  the API reports, the reference and the examples match the build');
const has = (flag) => process.argv.includes(flag);
if (!has('--no-consumers')) {
  const [all, few, update] = [has('--all'), has('--few'), has('--update')];
  const client = tarballs['nestjs-wechat-miniprogram'];
  say('New applications: installing the tarballs and running their tests');
  await testMatrix(tarballs, { all, few, update });
  await Promise.all([
    ...(few ? [] : [testNestAdd(tarballs, { all })]),
    testMiniPrograms(client),
    testMiniProgramBuilds(client, { all }),
  ]);
  if (!few) await checkImage();
}
say(`All checks passed after ${durationSince(started)}`);
