import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '../..');
const CALLERS = /^(it|test)\b/;

/** The tests that prove each promise: a file, and the beginnings of titles. */
const PROMISES = JSON.parse(readFileSync(join(__dirname, 'promises.json'), 'utf8')) as Record<
  string,
  Record<string, string[]>
>;

/** Returns the titles of the tests of a file. A title that contains a value ends before the value. */
function titlesIn(file: string): string[] {
  if (!existsSync(join(ROOT, file))) return [];
  const source = ts.createSourceFile(
    file,
    readFileSync(join(ROOT, file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && CALLERS.test(node.expression.getText(source)))
      titles.push(textOf(node.arguments[0]));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

function textOf(node: ts.Node | undefined): string {
  if (node && ts.isTemplateExpression(node)) return node.head.text;
  return node && ts.isStringLiteralLike(node) ? node.text : '';
}

describe('the promises of SECURITY.md', () => {
  it('each have a row in SECURITY.md and a list of tests', () => {
    const rows = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8').matchAll(/^\| (P\d+) \|/gm);
    const ids = [...rows].map(([, id]) => id);
    expect(ids.length).toBeGreaterThan(26);
    expect(ids).toEqual(Object.keys(PROMISES));
  });

  it.each(Object.entries(PROMISES))('%s is proven by tests that exist', (_, proofs) => {
    const missing = Object.entries(proofs).flatMap(([file, starts]) => {
      const titles = titlesIn(file);
      return starts
        .filter((start) => !titles.some((title) => title.startsWith(start)))
        .map((start) => `${file}: ${start}`);
    });
    expect([Object.keys(proofs).length > 0, missing]).toEqual([true, []]);
  });

  it('control: reports a title that no test has', () => {
    const own = titlesIn('test/security/promises.spec.ts');
    expect([
      own.includes('each have a row in SECURITY.md and a list of tests'),
      own.includes('a missing title'),
    ]).toEqual([true, false]);
  });
});
