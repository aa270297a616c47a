import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import {
  blocksOf,
  linesOfTables,
  proseOf,
  regionOf,
  slugsOf,
  withCurrentSources,
} from './markdown.js';

/*
 * Checks that the code in the documents is the code that tests run, and that the documents describe every route, option, error
 * and variable.
 */

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const SKIPPED = /^(node_modules|dist|coverage|var|miniprogram_npm|\..*)$/;
const filesIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED.test(entry.name) ? [] : filesIn(path);
    return [path];
  });
const FILES = filesIn('').toSorted();
const glob = (pattern: RegExp): string[] => FILES.filter((path) => pattern.test(path));

const DOCUMENTS = glob(
  /^([^/]+|docs\/(?!api\/).+|(libs|apps|examples)\/[^/]+\/README(\.zh-CN)?)\.md$/,
);
const READMES = ['README.md', 'README.zh-CN.md'];
const MANUAL = 'libs/wechat/README.md';
const TROUBLESHOOTING = ['docs/troubleshooting.md', 'docs/zh-CN/troubleshooting.md'];
const REFERENCE_APP = 'docs/reference-app.md';

/** `npm run docs:update` writes the regions into the documents; without it the tests compare them. */
if (process.env['UPDATE_DOCS']) {
  for (const document of DOCUMENTS) {
    const text = read(document);
    const updated = withCurrentSources(text, read);
    if (updated !== text) writeFileSync(join(ROOT, document), updated);
  }
}

const blocks = DOCUMENTS.flatMap((document) =>
  blocksOf(read(document)).map((block) => ({
    ...block,
    document,
    at: `${document}:${block.line}`,
  })),
);

describe('code in the documents', () => {
  const quoted = blocks.filter(({ source }) => source !== undefined);

  it('is there', () => {
    expect(quoted.length).toBeGreaterThan(10);
  });

  it.each(quoted.map((block) => [block.at, block] as const))(
    '%s is what its source says',
    (_, { source = '', code }) => {
      const [file = '', region] = source.split('#');
      expect(code).toBe(regionOf(read(file), region));
    },
  );

  it.each(
    blocks.filter(({ language }) => /^(ts|js)$/.test(language)).map(({ at, code }) => [at, code]),
  )('%s is TypeScript', (_, code) => {
    const { diagnostics } = ts.transpileModule(code, {
      reportDiagnostics: true,
      compilerOptions: { target: ts.ScriptTarget.ESNext, experimentalDecorators: true },
    });
    expect(
      diagnostics?.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
    ).toEqual([]);
  });

  it.each(blocks.filter(({ language }) => language === 'sh').map(({ at, code }) => [at, code]))(
    '%s is shell',
    (_, code) => {
      expect(spawnSync('bash', ['-n'], { input: code, encoding: 'utf8' }).stderr).toBe('');
    },
  );

  it.each(blocks.filter(({ language }) => language === 'json').map(({ at, code }) => [at, code]))(
    '%s is JSON',
    (_, code) => {
      expect(() => JSON.parse(code)).not.toThrow();
    },
  );

  it('runs only scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const known = [...Object.keys(scripts), 'ci', 'test', 'start', 'install', 'pack'];
    const named = DOCUMENTS.filter((document) => !/^(apps|examples|libs)\//.test(document)).flatMap(
      (document) =>
        [...read(document).matchAll(/\bnpm run ([a-z:-]+)/g)].map(([, script = '']) => script),
    );
    expect(named.filter((script) => !known.includes(script))).toEqual([]);
  });
});

describe('the walk in the READMEs', () => {
  const [, welcome = ''] =
    /const welcome[^`]*`([^`]*)`/.exec(read('apps/sample/src/demo.ts')) ?? [];
  const walk = welcome
    .split('\n')
    .filter((line) => /^ {2}.*curl/.test(line))
    .map((line) =>
      line
        .trim()
        .replaceAll('${app}', 'http://127.0.0.1:3000')
        .replaceAll('${sandbox}', 'http://127.0.0.1:3001')
        .replaceAll('\\\\', '\\'),
    );

  it.each(READMES)('of %s is the one that npm start prints', (document) => {
    expect(walk.length).toBeGreaterThan(2);
    for (const line of walk) expect(read(document)).toContain(line);
  });
});

describe('docs/images/order.svg', () => {
  it("shows the steps of the shop's code", () => {
    const check = ['tools/order-picture.mjs', '--check'];
    expect(spawnSync('node', check, { cwd: ROOT, encoding: 'utf8' }).stderr).toBe('');
  });
});

describe('nothing is missing', () => {
  const within = (document: string, what: string): boolean => read(document).includes(what);

  it('of the routes of the reference app', () => {
    const routes = glob(/^apps\/sample\/src\/.*\.controller\.ts$/).flatMap(routesIn);
    expect(routes.length).toBeGreaterThan(10);
    const documented = (route: string): boolean =>
      [REFERENCE_APP, 'docs/central-service.md'].some((page) => within(page, `\`${route}\``));
    expect(routes.filter((route) => !documented(route))).toEqual([]);
  });

  it('of the options, each with its default', () => {
    const options = optionsIn('libs/wechat/src/wechat.options.ts');
    expect(options.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['apps', 'session.ttl', 'users']),
    );
    const rows = linesOfTables(read(MANUAL));
    const problems = options.filter(({ name, byDefault }) => {
      const row = rows.find((line) => line.startsWith(`| \`${name}\``));
      return (
        !row || (byDefault !== undefined && !row.includes(byDefault.replace(/^'(.*)'$/, '$1')))
      );
    });
    expect(problems).toEqual([]);
  });

  it('of the variables, each with its default', () => {
    const variables = [...read('.env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)];
    const rows = linesOfTables(read(REFERENCE_APP));
    const missing = variables.filter(([, name = '', value = '']) => {
      const row = rows.find(
        (line) => line.startsWith('|') && line.split('|')[1]?.includes(`\`${name}\``),
      );
      return !row || !(name === 'NODE_ENV' || row.includes(value));
    });
    expect(missing.map(([line]) => line)).toEqual([]);
    const ofLibrary = variables
      .filter(([, name = '']) => /^WECHAT_|^REDIS_/.test(name))
      .map(([, name = '']) => name);
    expect(ofLibrary.filter((name) => !within(MANUAL, `\`${name}\``))).toEqual([]);
  });

  it('of the error codes', () => {
    const codesIn = (pattern: RegExp): string[] => [
      ...new Set(glob(pattern).flatMap((file) => read(file).match(/\bERR_[A-Z_]+\b/g) ?? [])),
    ];
    const ofLibrary = codesIn(/^libs\/wechat\/src\/wechat\.errors\.ts$/);
    expect(ofLibrary.length).toBeGreaterThan(10);
    expect(
      ofLibrary.filter(
        (code) => !linesOfTables(read(MANUAL)).some((row) => row.startsWith(`| \`${code}\``)),
      ),
    ).toEqual([]);
    const all = [...ofLibrary, ...codesIn(/^apps\/sample\/src\//)].filter(
      (code) => code !== 'ERR_CANCELED',
    );
    for (const page of TROUBLESHOOTING)
      expect(all.filter((code) => !within(page, `\`${code}\``))).toEqual([]);
    const ofClient = codesIn(/^libs\/miniprogram-client\/src\/(?!.*spec).*\.ts$/);
    const known = read('libs/miniprogram-client/README.md') + read(MANUAL);
    expect(ofClient.filter((code) => !known.includes(code))).toEqual([]);
  });

  it("of WeChat's errcodes that the library maps", () => {
    const numbers = [...read('libs/wechat/src/platform/errcode.ts').matchAll(/case (-?\d+):/g)].map(
      ([, number = '']) => number,
    );
    expect(numbers.length).toBeGreaterThan(20);
    for (const page of TROUBLESHOOTING) {
      const rows = linesOfTables(read(page)).join('\n');
      expect(
        numbers.filter((number) => !new RegExp(`(?<![\\d-])${number}(?!\\d)`).test(rows)),
      ).toEqual([]);
    }
  });

  it('of the public names of the library', () => {
    const names = ['index', 'pay', 'passport', 'health', 'redis'].flatMap((entry) =>
      valuesExportedBy(`libs/wechat/src/${entry}.ts`),
    );
    expect(names).toEqual(
      expect.arrayContaining(['SessionGuard', 'WechatSessionStrategy', 'WechatSessionError']),
    );
    expect(names.filter((name) => !within(MANUAL, name))).toEqual([]);
  });
});

describe('SECURITY.md', () => {
  it('names tests that there are', () => {
    const proofs = [...read('SECURITY.md').matchAll(/`([\w./-]+spec\.ts)` “([^”]+)”/g)];
    expect(proofs.length).toBeGreaterThan(20);
    const wrong = proofs.filter(
      ([, file = '', title = '']) => !existsSync(join(ROOT, file)) || !mentions(read(file), title),
    );
    expect(wrong.map(([proof]) => proof)).toEqual([]);
  });

  it('has a row for every promise', () => {
    const rows = linesOfTables(read('SECURITY.md')).join('\n');
    expect(
      Array.from({ length: 27 }, (_, i) => `P${i + 1}`).filter((id) => !rows.includes(`| ${id} |`)),
    ).toEqual([]);
  });
});

describe('links', () => {
  const links = DOCUMENTS.flatMap((document) =>
    [...proseOf(read(document)).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)].map(
      ([, markdown, html]) => ({
        document,
        target: markdown ?? html ?? '',
      }),
    ),
  ).filter(({ target }) => !/^(https?|mailto):/.test(target));

  it('lead somewhere', () => {
    expect(links.length).toBeGreaterThan(20);
    const dead = links.filter(({ document, target }) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? document : normalize(join(dirname(document), path));
      if (!existsSync(join(ROOT, file))) return true;
      return (
        anchor !== undefined &&
        file.endsWith('.md') &&
        !slugsOf(read(file)).includes(decodeURIComponent(anchor))
      );
    });
    expect(dead).toEqual([]);
  });

  it('reach every document in docs/ from its index', () => {
    const index = ['docs/README.md', ...READMES].map(read).join('\n');
    const unreachable = glob(/^docs\/[^/]+\.md$/).filter(
      (page) => page !== 'docs/README.md' && !index.includes(page.replace('docs/', '')),
    );
    expect(unreachable).toEqual([]);
  });
});

/** `POST /auth/login` for each method of a controller, as its decorators say. */
function routesIn(file: string): string[] {
  const { statements } = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  return statements.filter(ts.isClassDeclaration).flatMap((controller) => {
    const prefixes =
      decoratorsOf(controller).find(({ name }) => name === 'Controller')?.paths ?? [];
    return controller.members.flatMap((member) =>
      decoratorsOf(member)
        .filter(({ name }) => /^(Get|Post|Put|Patch|Delete)$/.test(name))
        .flatMap(({ name, paths }) =>
          prefixes.flatMap((prefix) =>
            paths.map(
              (path) => `${name.toUpperCase()} /${[prefix, path].filter(Boolean).join('/')}`,
            ),
          ),
        ),
    );
  });
}

function decoratorsOf(node: ts.Node): { name: string; paths: string[] }[] {
  const decorators = ts.canHaveDecorators(node) ? (ts.getDecorators(node) ?? []) : [];
  return decorators.flatMap(({ expression }) => {
    if (!ts.isCallExpression(expression)) return [];
    const [argument] = expression.arguments;
    const listed =
      argument && ts.isArrayLiteralExpression(argument)
        ? [...argument.elements]
        : argument
          ? [argument]
          : [];
    const paths = listed.filter(ts.isStringLiteralLike).map(({ text }) => text);
    return [{ name: expression.expression.getText(), paths: paths.length > 0 ? paths : [''] }];
  });
}

/** `session.ttl` and so on, with what `@default` says. */
function optionsIn(file: string): { name: string; byDefault?: string }[] {
  const { statements } = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const options = statements.find(
    (one) => ts.isInterfaceDeclaration(one) && one.name.text === 'WechatModuleOptions',
  );
  return (options as ts.InterfaceDeclaration).members
    .filter(ts.isPropertySignature)
    .flatMap((member) => {
      const name = member.name.getText();
      if (member.type && ts.isTypeLiteralNode(member.type))
        return member.type.members.map((field) => ({
          name: `${name}.${field.name?.getText()}`,
          byDefault: defaultOf(field),
        }));
      return [{ name, byDefault: defaultOf(member) }];
    });
}

function defaultOf(node: ts.Node): string | undefined {
  const tag = ts.getJSDocTags(node).find(({ tagName }) => tagName.text === 'default');
  return tag && ts.getTextOfJSDocComment(tag.comment);
}

function valuesExportedBy(file: string): string[] {
  const source = read(file);
  const named = [...source.matchAll(/^export \{([^}]+)\}/gm)].flatMap(([, names = '']) =>
    names.split(','),
  );
  const errors = source.includes("export * from './wechat.errors.js'")
    ? [
        ...read('libs/wechat/src/wechat.errors.ts').matchAll(/^export (?:abstract )?class (\w+)/gm),
      ].map(([, name = '']) => name)
    : [];
  return [
    ...named.map((name) => name.trim()).filter((name) => name !== '' && !name.startsWith('type ')),
    ...errors,
  ];
}

/** Returns whether a spec contains this title, with any quotes. */
function mentions(spec: string, title: string): boolean {
  return spec.replaceAll('\\', '').includes(title);
}
