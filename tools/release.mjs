// `npm run release -- 0.2.0`: sets the version in every manifest and the heading in the changelog. It does not commit or publish. It prints
// the next steps, so that a maintainer can check the changes first.
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
const OWN_PACKAGES = /^nestjs-wechat(-sandbox|-miniprogram)?$/;
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** Returns a manifest or lockfile with the new version, also in the ranges of this repository's packages. */
function bumped(text, version) {
  const manifest = JSON.parse(text);
  for (const one of [manifest, manifest.packages?.[''] ?? {}]) {
    if (one.version) one.version = version;
    for (const ranges of [one.dependencies, one.devDependencies, one.peerDependencies])
      for (const name of Object.keys(ranges ?? {}))
        if (OWN_PACKAGES.test(name) && !ranges[name].startsWith('file:'))
          ranges[name] = `^${version}`;
  }
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Returns the changelog with the unreleased changes under this version. If the version has an undated section, adds the date. */
function dated(changelog, version, date) {
  const undated = `## [${version}] - unreleased`;
  if (changelog.includes(undated)) return changelog.replace(undated, `## [${version}] - ${date}`);
  if (changelog.includes(`## [${version}]`))
    throw new Error(`CHANGELOG.md already has a section for ${version}. Choose another version.`);
  if (!/^## \[Unreleased\]\n+(?!## |\[)\S/m.test(changelog))
    throw new Error('CHANGELOG.md has no changes under [Unreleased]. Add them first.');
  return changelog.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${version}] - ${date}\n`);
}

function release(version) {
  if (!VERSION.test(version ?? ''))
    throw new Error('The version is missing or invalid. Example: npm run release -- 0.2.0');
  const date = new Date().toISOString().slice(0, 10);
  const changed = [
    ...MANIFESTS.map((file) => [file, bumped(readFileSync(file, 'utf8'), version)]),
    ['CHANGELOG.md', dated(readFileSync('CHANGELOG.md', 'utf8'), version, date)],
  ];
  for (const [file, text] of changed) writeFileSync(file, text); // last, so that an error in one file leaves all files unchanged
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
