// The public API as text: reports in etc/, the reference in docs/api. `npm run api:check` fails when either is no longer what is
// built, or an export is unexplained; `npm run api:update` writes both anew, so that a change of the API is one that a reviewer sees.
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { undocumented } from './documented.mjs';
import { writeReference } from './reference.mjs';

const root = join(import.meta.dirname, '..');
const scratch = join(root, 'var/api');
const reference = join(root, 'docs/api');

/** The entries of the packages: the name of the report, and what it reports on. */
const ENTRIES = {
  'nestjs-wechat': 'libs/wechat/dist/index.d.ts',
  'nestjs-wechat.passport': 'libs/wechat/dist/passport.d.ts',
  'nestjs-wechat.pay': 'libs/wechat/dist/pay.d.ts',
  'nestjs-wechat.redis': 'libs/wechat/dist/redis.d.ts',
  'nestjs-wechat.health': 'libs/wechat/dist/health.d.ts',
  'nestjs-wechat.testing': 'libs/wechat/dist/testing.d.ts',
  'nestjs-wechat-sandbox': 'libs/wechat-sandbox/dist/index.d.ts',
  'nestjs-wechat-miniprogram': 'libs/miniprogram-client/dist/index.d.ts',
};

/** What a reader would be told wrongly, or not at all; one line each. */
export async function checkApi() {
  const written = join(scratch, 'reference');
  rmSync(written, { recursive: true, force: true });
  await writeReference(written);
  return [
    ...reports({ update: false }).map((name) => `etc/${name}.api.md is no longer what is built.`),
    ...(textOf(written) === textOf(reference)
      ? []
      : ['docs/api is no longer what the sources say.']),
    ...unexplained(),
  ];
}

async function updateApi() {
  reports({ update: true });
  rmSync(reference, { recursive: true, force: true });
  await writeReference(reference);
  return unexplained();
}

/** @returns the names of the reports that were not up to date. */
function reports({ update }) {
  for (const folder of ['etc', 'var/api']) mkdirSync(join(root, folder), { recursive: true });
  const changed = ([name, entry]) =>
    Extractor.invoke(configOf(name, entry), { localBuild: update, messageCallback })
      .apiReportChanged;
  return Object.entries(ENTRIES)
    .filter(changed)
    .map(([name]) => name);
}

const messageCallback = (message) => {
  message.handled = message.logLevel !== ExtractorLogLevel.Error;
};

function configOf(name, entry) {
  const library = join(root, entry.split('/dist/')[0]);
  const none = { default: { logLevel: ExtractorLogLevel.None } };
  return ExtractorConfig.prepare({
    packageJsonFullPath: join(library, 'package.json'),
    configObject: {
      projectFolder: library,
      mainEntryPointFilePath: join(root, entry),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            module: 'nodenext',
            target: 'es2023',
            lib: ['es2023'],
            types: ['node'],
            skipLibCheck: true,
          },
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: name,
        reportFolder: join(root, 'etc'),
        reportTempFolder: scratch,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      // Decorators in examples are not tags, and what is not exported is not public.
      messages: { tsdocMessageReporting: none, extractorMessageReporting: none },
    },
  });
}

function unexplained() {
  const sources = Object.values(ENTRIES).map((entry) =>
    join(root, entry.replace('/dist/', '/src/').replace('.d.ts', '.ts')),
  );
  const [ofProduct, others] = [
    sources.filter((file) => file.includes('/libs/wechat/')),
    sources.filter((file) => !file.includes('/libs/wechat/')),
  ];
  return [
    ...undocumented(ofProduct, { examples: true }),
    ...undocumented(others, { examples: false }),
  ];
}

function textOf(folder) {
  try {
    return readdirSync(folder)
      .toSorted()
      .map((name) => `${name}\n${readFileSync(join(folder, name), 'utf8')}`)
      .join('\n');
  } catch {
    return undefined; // no such folder yet
  }
}

if (process.argv[1] === import.meta.filename) {
  const update = process.argv.includes('--update');
  const problems = await (update ? updateApi() : checkApi());
  if (problems.length > 0)
    process.stdout.write(`${problems.join('\n')}\nIf the change is meant: npm run api:update\n`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
