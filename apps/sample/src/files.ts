import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WechatModule } from 'nestjs-wechat';
import { runCommand } from './app.js';
import { AvatarsModule } from './avatars/avatars.module.js';
import { loadEnvironment, readConfig } from './config.js';
import type { Environment } from './config.js';
import { copyFiles } from './files/copy.js';
import { openStore } from './files/open-store.js';
import { Scratch } from './files/scratch.js';
import { SweepJob } from './files/sweep-job.js';
import { runTask } from './operator.js';
import { RecordingsModule } from './recordings/recordings.module.js';
import { UsersModule } from './users/users.module.js';
import { UsersService } from './users/users.service.js';

const USAGE = `Usage: npm run files -- sweep | copy --from <url> --to <url>
Compares the files with their rows at once, or copies the files of one storage into another. A URL is a value of STORAGE_URL.
`;

/** `npm run files`: for the operator of the app. The embedded database is in use while the app runs, so `sweep` needs DATABASE_URL. */
await runCommand(async () => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    strict: false,
    options: { from: { type: 'string' }, to: { type: 'string' } },
  });
  const [command] = positionals;
  const { from, to } = values;
  if (command === 'sweep') return sweepNow();
  if (command === 'copy' && typeof from === 'string' && typeof to === 'string')
    return copy(from, to);
  process.stderr.write(USAGE);
  process.exitCode = 1;
});

async function sweepNow(): Promise<void> {
  await runTask({
    service: SweepJob,
    parts: ({ wechat }) => ({
      imports: [
        WechatModule.forRoot({ ...wechat, users: UsersService }),
        UsersModule,
        AvatarsModule,
        RecordingsModule,
      ],
    }),
    run: async (job) => {
      const { orphans, missing } = await job.runNow();
      return `${orphans} files without a row are in the trash now. ${missing} rows have no file.`;
    },
  });
}

async function copy(from: string, to: string): Promise<void> {
  const environment = loadEnvironment();
  const source = readConfig(withStorage(environment, from));
  const target = readConfig(withStorage(environment, to));
  const scratch = new Scratch(join(target.uploadDir, 'parts'));
  await scratch.create();
  const store = await openStore(target.storage);
  await store.create();
  await copyFiles({
    from: await openStore(source.storage),
    to: store,
    scratch,
    report: (line) => process.stdout.write(`${line}\n`),
  });
}

function withStorage(environment: Environment, STORAGE_URL: string): Environment {
  return { ...environment, STORAGE_URL, STORAGE_REDIRECT: 'off' };
}
