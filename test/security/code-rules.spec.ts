import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '../..');
const LIBRARY = join(ROOT, 'libs/wechat');
const read = (path: string): string => readFileSync(path, 'utf8');
const sources = (readdirSync(join(LIBRARY, 'src'), { recursive: true }) as string[])
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
  .map((file) => ({
    file,
    source: ts.createSourceFile(
      file,
      read(join(LIBRARY, 'src', file)),
      ts.ScriptTarget.Latest,
      true,
    ),
  }));

function* nodesOf(node: ts.Node): Iterable<ts.Node> {
  yield node;
  for (const child of node.getChildren()) yield* nodesOf(child);
}

const EQUALITIES = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.EqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsToken,
]);
/** Names of values that a client could guess byte by byte from the duration of a comparison. */
const GUESSABLE = /(secret|digest|signature|hmac|check|mac|password|state)(\(.*\))?$/i;
const HARMLESS = /^(undefined|null|typeof .*|'[^']*'|\d+)$/;

/** Comparisons that end at the first difference. */
function leaksOf(source: ts.SourceFile): string[] {
  return [...nodesOf(source)].flatMap((node) => {
    const pair = comparedIn(node)?.map((each) => each.getText(source));
    if (
      !pair ||
      pair.some((each) => HARMLESS.test(each)) ||
      !pair.some((each) => GUESSABLE.test(each))
    )
      return [];
    return node.getText(source);
  });
}

function comparedIn(node: ts.Node): [ts.Node, ts.Node] | undefined {
  if (ts.isBinaryExpression(node) && EQUALITIES.has(node.operatorToken.kind))
    return [node.left, node.right];
  const isMethod = ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression);
  if (!isMethod || !['equals', 'compare', 'localeCompare'].includes(node.expression.name.text))
    return undefined;
  return [node.expression.expression, node.arguments[0] ?? node];
}

describe('the code of the library', () => {
  it('P13 compares secrets in constant time, everywhere', () => {
    expect(sources.length).toBeGreaterThan(40);
    expect(
      sources.flatMap(({ file, source }) => leaksOf(source).map((leak) => `${file}: ${leak}`)),
    ).toEqual([]);
    const constant = sources
      .filter(({ source }) => source.text.includes('timingSafeEqual('))
      .map(({ file }) => file);
    expect(constant.toSorted()).toEqual([
      'mobile-oauth/mobile-oauth.service.ts',
      'mobile-oauth/oauth-state.ts',
      'open-data/open-data.ts',
      'push/push.cipher.ts',
      'session/request-id.ts',
      'session/session-token.ts',
      'session/session.service.ts',
    ]);
  });

  it('P13 control: the rule finds a comparison that leaks its duration', () => {
    const naive = [
      'given.secret === record.secret',
      'expectedSignature != signature',
      'digest.equals(hmac)',
      'a.localeCompare(this.password)',
    ];
    const harmless = [
      "typeof secret === 'string'",
      'state === undefined',
      'a === b',
      "field === 'secret'",
    ];
    const parse = (code: string): ts.SourceFile =>
      ts.createSourceFile('x.ts', code, ts.ScriptTarget.Latest, true);
    expect(naive.map((code) => leaksOf(parse(code)).length)).toEqual([1, 1, 1, 1]);
    expect(harmless.map((code) => leaksOf(parse(code)).length)).toEqual([0, 0, 0, 0]);
  });

  it('P27 evaluates no text, has no XML parser but the optional one of pushes, accepts no files and starts no process, and reads only the key files that the operator names', () => {
    const text = sources.map(({ source }) => source.text).join('\n');
    expect(text.match(/\beval\(|new Function\(|\bvm['"]|child_process|worker_threads/g)).toBeNull();
    const imported = new Set(
      [...text.matchAll(/from '([^.'][^']*)'|import\('([^.'][^']*)'\)/g)].map(
        ([, from, dynamic]) => from ?? dynamic,
      ),
    );
    expect(
      [...imported].filter((name) =>
        /xml|sax|multipart|multer|busboy|formidable|^node:fs/.test(name!),
      ),
    ).toEqual(['node:fs', '@rgrove/parse-xml']);
    const namesParser = sources.filter(({ source }) => source.text.includes('@rgrove/parse-xml'));
    expect(namesParser.map(({ file }) => file)).toEqual(
      expect.arrayContaining(['push/push.xml.ts']),
    );
    const parserImports = text.match(/import [^;]*'@rgrove\/parse-xml'/g);
    expect(parserImports).toEqual([expect.stringMatching(/^import type /)]); // loaded at the first XML push
    const inApplications = sources.filter(({ file }) => !file.startsWith('schematics/')); // of nest add
    const readsFiles = inApplications.filter(({ source }) => source.text.includes("'node:fs"));
    expect(readsFiles.map(({ file }) => file)).toEqual(['pay/pay.env.ts']); // the keys of WECHAT_PAY_*_FILE
  });

  it('P27 depends on four packages, and every package of the lockfile has a checksum', () => {
    const { dependencies } = JSON.parse(read(join(LIBRARY, 'package.json'))) as {
      dependencies: Record<string, string>;
    };
    expect(Object.keys(dependencies)).toEqual(['axios', 'cockatiel', 'lru-cache', 'ms']);
    const { packages } = JSON.parse(read(join(ROOT, 'package-lock.json'))) as {
      packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
    };
    const bare = Object.entries(packages).filter(
      ([path, { link, integrity }]) => path.includes('node_modules/') && !link && !integrity,
    );
    expect(bare.map(([path]) => path)).toEqual([]);
  });
});
