// The public API as text: reports in etc/, the reference in docs/api. `npm run api:check` fails if one of them is out of date, if an
// export has no description, or if a public signature names a type that is not exported. `npm run api:update` writes both again, so
// that a reviewer sees each change of the API.
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { namesExportedBy, undocumented } from './documented.mjs';
import { writeReference } from './reference.mjs';

const root = join(import.meta.dirname, '..');
const scratch = join(root, 'var/api');
const reference = join(root, 'docs/api');

/** The entry point of each report. */
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

/** Returns one line for each problem. */
export async function checkApi() {
  const written = join(scratch, 'reference');
  rmSync(written, { recursive: true, force: true });
  await writeReference(written);
  const { outdated, forgotten } = reports({ update: false });
  return [
    ...outdated.map((name) => `etc/${name}.api.md is out of date.`),
    ...(textOf(written) === textOf(reference) ? [] : ['docs/api is out of date.']),
    ...forgotten,
    ...nameless(written),
    ...unexplained(),
  ];
}

async function updateApi() {
  const { forgotten } = reports({ update: true });
  rmSync(reference, { recursive: true, force: true });
  await writeReference(reference);
  return [...forgotten, ...nameless(reference), ...unexplained()];
}

/** @returns the names of the reports that were out of date, and a line for each type that should be exported. */
function reports({ update }) {
  for (const folder of ['etc', 'var/api']) mkdirSync(join(root, folder), { recursive: true });
  /** @type {string[]} */
  const outdated = [];
  /** @type {string[]} */
  const forgotten = [];
  for (const [name, entry] of Object.entries(ENTRIES)) {
    const messageCallback = (message) => {
      message.handled = message.logLevel !== ExtractorLogLevel.Error;
      if (message.messageId === 'ae-forgotten-export' && !isNameable(message, entry))
        forgotten.push(`${name}: ${message.text}`);
    };
    const config = configOf(name, entry);
    if (Extractor.invoke(config, { localBuild: update, messageCallback }).apiReportChanged)
      outdated.push(name);
  }
  return { outdated, forgotten };
}

/** The base class of a class that extends a call or a configurable module. Its users name the class only. */
const BASE_CLASS = /_base$|^ConfigurableModuleClass$/;

/** Whether a type that this entry point does not export is nevertheless public: the main entry point exports it, or users need no name for it. */
function isNameable({ text }, entry) {
  const [, type] = /^The symbol "(\w+)"/.exec(text);
  const main = join(root, entry.replace(basename(entry), 'index.d.ts'));
  return BASE_CLASS.test(type) || namesExportedBy(main).has(type);
}

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
      // Decorators in examples look like tags of TSDoc, so its messages are off.
      messages: {
        tsdocMessageReporting: none,
        extractorMessageReporting: {
          ...none,
          'ae-forgotten-export': { logLevel: ExtractorLogLevel.Warning },
        },
      },
    },
  });
}

/** Without a `@param` for a destructured parameter, TypeDoc writes `__namedParameters` and drops the descriptions of its fields. */
function nameless(folder) {
  return (textOf(folder) ?? '')
    .split('\n')
    .filter((line) => /^> .*__namedParameters/.test(line))
    .map((line) => `A parameter has no name. Add a line such as "@param options" to: ${line}`);
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
    return undefined; // the folder does not exist yet
  }
}

if (process.argv[1] === import.meta.filename) {
  const update = process.argv.includes('--update');
  const problems = await (update ? updateApi() : checkApi());
  if (problems.length > 0)
    process.stdout.write(`${problems.join('\n')}\nIf the change is intended: npm run api:update\n`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
