// Installs the tarballs into projects of every kind with every package manager, and with newer versions of Node.
// `npm run test:packages` runs some of the rows, and `-- --all` the whole table, which docs/installing.md shows.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KINDS } from './kinds.mjs';
import { packageManagers } from './managers.mjs';
import { NODES, withNode } from './nodes.mjs';
import { root, say } from './shell.mjs';

/** The kinds of projects with each manager. A manager decides how packages are found, and that does not depend on the test runner. */
const TABLE = {
  npm: ['esm-12', 'cjs-12', 'esm-11', 'cjs-11'],
  pnpm: ['esm-12'],
  'pnpm, auto-install-peers=false': ['cjs-11'],
  'Yarn 1': ['cjs-11'],
  'Yarn 4, node_modules': ['cjs-11'],
  'Yarn 4, PnP': ['cjs-11'],
};
/** The oldest Node that is supported. CI runs it. */
const NODE = '20';
/** The newest and the most common project with each newer Node. */
const NEWER_NODES = Object.keys(NODES).flatMap((node) =>
  ['esm-12', 'cjs-11'].map((kind) => ({ manager: 'npm', node, kind })),
);
const ROWS = [
  ...Object.entries(TABLE).flatMap(([manager, kinds]) =>
    kinds.map((kind) => ({ manager, node: NODE, kind })),
  ),
  ...NEWER_NODES,
];

/** Without `--all`: each kind with npm, and the manager that installs no peers. */
const isEveryTime = ({ manager, node }) =>
  node === NODE && (manager === 'npm' || manager === 'pnpm, auto-install-peers=false');
/** The newest and the most common project. CI has no time for more. */
const isOfFew = ({ manager, node, kind }) =>
  node === NODE && manager === 'npm' && ['esm-12', 'cjs-11'].includes(kind);

export async function testMatrix(tarballs, { all, few, update }) {
  const managers = await packageManagers();
  const rows = ROWS.filter((row) => (few ? isOfFew(row) : all || isEveryTime(row)));
  const results = new Map();
  await twoAtATime(rows, async (row) => {
    const started = Date.now();
    const { manager, node, kind } = row;
    const project = node === NODE ? managers[manager] : await withNode(managers[manager], node);
    const failure = await KINDS[kind]
      .test(project, tarballs, { isThorough: manager === 'npm' && node === NODE })
      .then(() => undefined)
      .catch((error) => error);
    results.set(row, failure);
    const seconds = Math.round((Date.now() - started) / 1000);
    say(`  ${cellsOf(row).join(' · ')}: ${failure ? 'FAILED' : 'works'}, ${seconds} s`);
  });
  const failures = [...results.values()].filter(Boolean);
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
  if (all) checkTable(update);
}

async function twoAtATime(items, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

const cellsOf = ({ manager, node, kind }) => {
  const { nest, modules, runner } = KINDS[kind];
  return [manager, node, nest, modules, runner];
};

const PAGES = {
  'docs/installing.md': {
    head: ['Package manager', 'Node', 'NestJS', 'Modules', 'Tests', 'Result', 'Tested'],
    works: 'works',
    tested: ['by `npm run test:packages`', 'before a release'],
  },
  'docs/zh-CN/installing.md': {
    head: ['包管理器', 'Node', 'NestJS', '模块', '测试框架', '结果', '何时测试'],
    works: '可用',
    tested: ['`npm run test:packages`', '发布前'],
  },
};
const [START, END] = ['<!-- matrix -->', '<!-- /matrix -->'];

/** Compares the tables in the documents with the rows, all of which have passed, or writes them. */
function checkTable(update) {
  for (const [page, words] of Object.entries(PAGES)) {
    const path = join(root, page);
    const text = readFileSync(path, 'utf8');
    const [before, , after] = text.split(new RegExp(`${START}([^]*)${END}`));
    const current = `${before}${START}\n\n${tableIn(words)}\n\n${END}${after}`;
    if (update) writeFileSync(path, current);
    else if (current !== text)
      throw new Error(`${page} is out of date: npm run test:packages -- --all --update`);
  }
}

function tableIn({ head, works, tested }) {
  const rows = ROWS.map((row) => [...cellsOf(row), works, tested[isEveryTime(row) ? 0 : 1]]);
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
