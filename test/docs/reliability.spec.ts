import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = 'docs/reliability.md';
const read = (root: string, path: string): string => readFileSync(join(root, path), 'utf8');
/** Prints inconsistencies between the rows, their tests, their results and the page. */
const problemsOf = (root: string): string =>
  spawnSync('node', [join(root, 'tools/faults.mjs')], { encoding: 'utf8' }).stdout;

describe('docs/reliability.md', () => {
  it('shows every row with an existing test, and the results of the last full run', () => {
    expect(problemsOf(ROOT)).toBe('');
  });

  describe('control: reports a problem', () => {
    let copy: string;
    beforeEach(() => {
      copy = mkdtempSync(join(tmpdir(), 'reliability-'));
      for (const each of [
        'tools/faults.mjs',
        'test',
        'etc',
        'docs',
        'SECURITY.md',
        'SECURITY.zh-CN.md',
      ])
        cpSync(join(ROOT, each), join(copy, each), { recursive: true });
      for (const each of ['apps', 'libs']) symlinkSync(join(ROOT, each), join(copy, each));
    });
    afterEach(() => rmSync(copy, { recursive: true }));

    const edit = (file: string, change: (text: string) => string): void =>
      writeFileSync(join(copy, file), change(read(copy, file)));

    it('when a row has no test', () => {
      edit('test/faults/rows.json', (rows) =>
        rows.replace('{', '{ "W99": { "says": "nothing", "trials": 1 },'),
      );
      expect(problemsOf(copy)).toMatch(/^W99 has no test\.$/m);
    });

    it('when the page differs from the results', () => {
      edit(PAGE, (page) => page.replace(/\| R1 \|.*\n/, ''));
      expect(problemsOf(copy)).toBe(
        `${PAGE} differs from etc/faults.json. Run: node tools/faults.mjs --update\n`,
      );
    });

    it('when a row has too few trials, or a result of a test that does not exist', () => {
      const result = { trials: 3, violations: 0, seconds: 1, date: '2026-01-01' };
      writeFileSync(
        join(copy, 'etc/faults.json'),
        JSON.stringify({ W9: { 'test/gone.spec.ts': result } }),
      );
      expect(problemsOf(copy)).toContain(
        'etc/faults.json has a result of test/gone.spec.ts for W9, which has no test of it.',
      );
      expect(problemsOf(copy)).toMatch(/^W9 has 3 trials, but needs 20\.$/m);
    });
  });
});
