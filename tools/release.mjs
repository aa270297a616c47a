// `npm run release -- 0.2.0`: the version in every manifest, and the changelog's heading. It neither commits nor publishes; what
// comes next is printed, and is yours to look at first.
import { readFileSync, writeFileSync } from 'node:fs';

const MANIFESTS = [
  'package.json',
  'package-lock.json',
  'libs/wechat/package.json',
  'libs/wechat-sandbox/package.json',
  'libs/miniprogram-client/package.json',
  'apps/miniprogram/package.json',
  'examples/quickstart/package.json',
];
const OURS = /^nestjs-wechat(-sandbox|-miniprogram)?$/;
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** A manifest or lockfile with another version, and with ranges of ours that take it. */
function bumped(text, version) {
  const manifest = JSON.parse(text);
  for (const one of [manifest, manifest.packages?.[''] ?? {}]) {
    if (one.version) one.version = version;
    for (const ranges of [one.dependencies, one.devDependencies, one.peerDependencies])
      for (const name of Object.keys(ranges ?? {}))
        if (OURS.test(name) && !ranges[name].startsWith('file:')) ranges[name] = `^${version}`;
  }
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** What was unreleased becomes this version; a section that waits for its date gets it. */
function dated(changelog, version, date) {
  const waiting = `## [${version}] - unreleased`;
  if (changelog.includes(waiting)) return changelog.replace(waiting, `## [${version}] - ${date}`);
  if (changelog.includes(`## [${version}]`))
    throw new Error(`CHANGELOG.md has a section for ${version} already.`);
  if (!/^## \[Unreleased\]\n+(?!## |\[)\S/m.test(changelog))
    throw new Error('CHANGELOG.md says nothing under [Unreleased]: what would be released?');
  return changelog.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${version}] - ${date}\n`);
}

function release(version) {
  if (!VERSION.test(version ?? '')) throw new Error('Name the version: npm run release -- 0.2.0');
  const date = new Date().toISOString().slice(0, 10);
  const changed = [
    ...MANIFESTS.map((file) => [file, bumped(readFileSync(file, 'utf8'), version)]),
    ['CHANGELOG.md', dated(readFileSync('CHANGELOG.md', 'utf8'), version, date)],
  ];
  for (const [file, text] of changed) writeFileSync(file, text); // only now: one bad file leaves all as they were
}

const [version] = process.argv.slice(2);
try {
  release(version);
  process.stdout
    .write(`Now ${version}. Next: npm ci && npm test && npm run test:packages, commit, tag v${version},
then npm publish in libs/wechat, libs/wechat-sandbox and libs/miniprogram-client.\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
