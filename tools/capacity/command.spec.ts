import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentedTable, PAGES } from './documents.js';
import type { Language } from './report.js';
import { withTable } from './report.js';
import { DEFAULTS, HELP, readCommand } from './usage.js';

const ROOT = join(import.meta.dirname, '../..');

function run(...args: string[]) {
  const loader = ['--import', './test/faults/workers/register.mjs'];
  const node = [...loader, 'tools/capacity/main.ts', ...args];
  return spawnSync(process.execPath, node, { cwd: ROOT, encoding: 'utf8' });
}

describe('npm run capacity', () => {
  it('prints what the users need, and which part ends first', () => {
    const args = ['--users', '1000000', '--daily-active', '0.2', '--peak', '5'];
    const { stdout, stderr, status } = run(...args);
    expect([stderr, status]).toEqual(['', 0]);
    for (const part of ['instances', 'Redis', 'PostgreSQL', 'code2Session', 'ends first'])
      expect(stdout).toContain(part);
    expect(stdout).toContain('https://developers.weixin.qq.com/');
    expect(stdout).not.toContain('over the limit');
  });

  it('marks what is over a limit', () => {
    const { stdout } = run('--users', '100000000');
    expect(stdout.split('\n').filter((line) => line.includes('over the limit'))).toEqual([
      expect.stringContaining('2,000,000 a day: over the limit'),
    ]);
  });

  it('prints one sentence for bad input', () => {
    const { stdout, stderr, status } = run('--users', 'many');
    expect([stdout, status]).toEqual(['', 1]);
    expect(stderr).toBe('--users must be a whole number from 1 to 10000000000, not "many".\n');
  });
});

describe('the arguments', () => {
  it('have defaults', () => {
    expect(readCommand([])).toEqual({ usage: DEFAULTS, help: false, docs: false });
    expect(readCommand(['--peak', '2.5']).usage).toEqual({ ...DEFAULTS, peak: 2.5 });
  });

  it.each([
    [['--users', '0'], '--users must be'],
    [['--users', '1.5'], '--users must be a whole number'],
    [['--users', ''], '--users must be'],
    [['--users', 'Infinity'], '--users must be'],
    [['--daily-active', '20'], '--daily-active must be a number from 0.0001 to 1, not "20".'],
    [['--peak', '-1'], '--peak'],
    [['--people', '5'], "Unknown option '--people'"],
    [['five'], "Unexpected argument 'five'"],
    [['--users'], '--users'],
  ])('%j are refused with one sentence', (args, start) => {
    expect(() => readCommand(args)).toThrow(start);
    expect(() => readCommand(args)).toThrow(/^[^\n]+$/);
  });

  it('are all in the help', () => {
    for (const name of ['users', 'daily-active', 'peak', 'requests', 'logins', 'uploads', 'orders'])
      expect(HELP).toContain(`--${name} `);
  });
});

describe.each(Object.entries(PAGES) as [Language, string][])('the page in %s', (language, file) => {
  it('has the current table', () => {
    const page = readFileSync(file, 'utf8');
    expect(page).toContain('<!-- capacity: table -->');
    expect(withTable(page, documentedTable(language))).toBe(page); // else: npm run docs:update
  });
});
