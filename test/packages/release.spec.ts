import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const MANIFESTS = [
  '.',
  'libs/wechat',
  'libs/wechat-sandbox',
  'libs/miniprogram-client',
  'apps/miniprogram',
  'examples/quickstart',
]
  .map((folder) => join(folder, 'package.json'))
  .concat('package-lock.json');

/** Copies the manifests into a folder with a changelog for the test, and runs `npm run release` there. */
function repositoryWith(changelog: string) {
  const copy = mkdtempSync(join(tmpdir(), 'release-'));
  for (const file of MANIFESTS) cpSync(join(root, file), join(copy, file));
  writeFileSync(join(copy, 'CHANGELOG.md'), changelog);
  return {
    read: (file: string) => readFileSync(join(copy, file), 'utf8'),
    release: (version: string) =>
      spawnSync('node', [join(root, 'tools/release.mjs'), version], {
        cwd: copy,
        encoding: 'utf8',
      }),
  };
}

const today = () => new Date().toISOString().slice(0, 10);

describe('npm run release', () => {
  it('sets the version in every manifest, and the heading of the unreleased changes', () => {
    const repository = repositoryWith(
      '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n',
    );
    expect(repository.release('9.9.0')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('tag v9.9.0'),
    });
    for (const file of MANIFESTS) {
      const [before, after] = [
        readFileSync(join(root, file), 'utf8').split('\n'),
        repository.read(file).split('\n'),
      ];
      const changed = after.filter((line, i) => line !== before[i]);
      expect(changed.join('\n')).toMatch(
        /^( +"(version|nestjs-wechat(-sandbox)?)": "\^?9\.9\.0",?\n?)+$/,
      );
      expect(after).toHaveLength(before.length);
    }
    expect(repository.read('CHANGELOG.md')).toBe(
      `# Changelog\n\n## [Unreleased]\n\n## [9.9.0] - ${today()}\n\n### Added\n\n- A thing.\n`,
    );
  });

  it('adds the date to the section of an undated version', () => {
    const repository = repositoryWith('## [Unreleased]\n\n## [9.9.0] - unreleased\n');
    repository.release('9.9.0');
    expect(repository.read('CHANGELOG.md')).toBe(`## [Unreleased]\n\n## [9.9.0] - ${today()}\n`);
  });

  it.each([
    ['9.9.0', 'CHANGELOG.md has no changes under [Unreleased]'],
    ['0.1.0', 'already has a section for 0.1.0'],
    ['soon', 'npm run release -- 0.2.0'],
  ])('refuses %s and changes nothing', (version, why) => {
    const repository = repositoryWith('## [Unreleased]\n\n## [0.1.0] - 2026-11-20\n');
    expect(repository.release(version)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(why),
    });
    for (const file of MANIFESTS)
      expect(repository.read(file)).toBe(readFileSync(join(root, file), 'utf8'));
  });
});
