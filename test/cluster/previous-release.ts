import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');
/** The sources of the app and of its libraries, and the hooks that compile them when Node loads them. */
const PARTS = ['apps', 'libs', 'test/faults/workers', 'tsconfig.json', 'package.json'];

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** The last version tag before this commit, or else the commit of `etc/previous-release`. */
export const PREVIOUS_RELEASE =
  git('describe', '--tags', '--match', 'v*', '--abbrev=0', 'HEAD^') ??
  readFileSync(join(ROOT, 'etc/previous-release'), 'utf8').trim();

/** `describe` for tests that need the previous release. In a shallow clone they are skipped, also in CI. */
export function describePreviousRelease(title: string, stories: () => void): void {
  if (git('cat-file', '-e', `${PREVIOUS_RELEASE}^{commit}`) !== undefined)
    return describe(title, stories);
  describe.skip(`${title} [needs ${PREVIOUS_RELEASE}: git fetch --unshallow --tags]`, stories);
}

/** Copies the sources of the previous release into a new folder. They use the packages of this checkout. */
export function checkOutPreviousRelease(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-wechat-previous-'));
  const archive = join(folder, 'sources.tar');
  execFileSync('git', ['archive', '-o', archive, PREVIOUS_RELEASE, ...PARTS], { cwd: ROOT });
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
