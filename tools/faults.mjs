// The rows of docs/reliability.md: the tests that prove each row, and the results of the last full run.
// `node tools/faults.mjs` prints inconsistencies. `--update` writes the tables. `npm run test:faults` also writes etc/faults.json.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const read = (file) => readFileSync(join(root, file), 'utf8');
const byName = (one, other) => one.localeCompare(other);
const RESULTS = 'etc/faults.json';

/** The text of each row, and the least number of trials in a full run. */
const ROWS = JSON.parse(read('test/faults/rows.json'));
/** The tests that prove each promise of SECURITY.md: a file, and the beginnings of titles. */
const PROMISES = JSON.parse(read('test/security/promises.json'));

/** The two languages of the page: the texts of the rows, and the words of the tables. */
const PAGES = [
  {
    page: 'docs/reliability.md',
    says: Object.fromEntries(Object.entries(ROWS).map(([id, { says }]) => [id, says])),
    promises: 'SECURITY.md',
    root: '..',
    head: '| | promise | proved by | trials | failed | last run |',
    of: (trials, required) => `${trials} of ${required}`,
    units: { minutes: 'minutes' },
  },
  {
    page: 'docs/zh-CN/reliability.md',
    says: JSON.parse(read('test/faults/rows.zh-CN.json')),
    promises: 'SECURITY.zh-CN.md',
    root: '../..',
    head: '| | 承诺 | 证明 | 次数 | 失败 | 上次运行 |',
    of: (trials, required) => `${trials}（要求 ${required}）`,
    units: { minutes: '分钟' },
  },
];

/** The rows of each table, by the name of its marker in the page. */
const TABLES = {
  promises: Object.keys(PROMISES),
  faults: Object.keys(ROWS).filter((id) => !id.startsWith('B-')),
  'bad-input': Object.keys(ROWS).filter((id) => id.startsWith('B-')),
};

const ID = String.raw`(?:[PRWTSDQ]\d+|B-[A-Za-z]+)`;
const IDS = new RegExp(`^(?:${ID} )+`);
/** A string in a spec that begins with the id of a row is the title of a test, or a part of one. */
const QUOTED = new RegExp(`(?<=['"\`])(?:${ID} )+`, 'g');

/** Returns the rows that a test proves: the ids at the beginning of its title, and the promises that name it. */
export function rowsOf(file, title) {
  const named = (IDS.exec(title)?.[0] ?? '').trim().split(' ').filter(Boolean);
  const promised = Object.keys(PROMISES).filter((id) =>
    (PROMISES[id][file] ?? []).some((start) => title.startsWith(start.split('%')[0])),
  );
  return [...new Set([...named, ...promised])];
}

/** Returns the number of trials that a title names (`…, 1,000 times`), else 1. */
export function trialsOf(title) {
  return Number(/, ([\d,]+) (?:times|minutes)$/.exec(title)?.[1].replaceAll(',', '') ?? 1);
}

let known;
/** Returns the specs that prove each row. */
export function proofs() {
  return (known ??= findProofs());
}

function findProofs() {
  const byRow = new Map(
    [...Object.keys(PROMISES), ...Object.keys(ROWS)].map((id) => [id, new Set()]),
  );
  for (const [id, tests] of Object.entries(PROMISES))
    for (const file of Object.keys(tests)) byRow.get(id).add(file);
  for (const file of specs()) {
    for (const id of (read(file).match(QUOTED) ?? []).flatMap((ids) => ids.trim().split(' ')))
      byRow.get(id)?.add(file);
  }
  return byRow;
}

/** Returns all specs that prove a row. */
export function filesOfRows() {
  return [...new Set([...proofs().values()].flatMap((files) => [...files]))].toSorted(byName);
}

function specs() {
  const under = ['apps', 'libs', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() && entry.name.endsWith('spec.ts')
        ? [join(entry.parentPath, entry.name).slice(root.length + 1)]
        : [],
    ),
  );
  return under.filter((file) => !/node_modules|\/dist\//.test(file));
}

export function readResults() {
  return existsSync(join(root, RESULTS)) ? JSON.parse(read(RESULTS)) : {};
}

/** Writes the results and the tables. @param results by row and spec: `{ trials, violations, seconds, date }` */
export function writeResults(results) {
  const order = [...Object.keys(PROMISES), ...Object.keys(ROWS)];
  const sorted = Object.fromEntries(
    order.flatMap((id) => (results[id] ? [[id, results[id]]] : [])),
  );
  writeFileSync(join(root, RESULTS), `${JSON.stringify(sorted, null, 2)}\n`);
  for (const language of PAGES)
    writeFileSync(join(root, language.page), withTables(language, sorted));
}

function withTables(language, results) {
  return Object.entries(TABLES).reduce(
    (text, [name, ids]) =>
      text.replace(
        between(name),
        (_, start, __, end) => `${start}\n${tableOf(ids, results, language)}\n${end}`,
      ),
    read(language.page),
  );
}

const between = (name) => new RegExp(`(<!-- ${name} -->)\n(.*?)(<!-- /${name} -->)`, 's');

function tableOf(ids, results, language) {
  const lines = ids.map((id) => {
    const { trials, violations, date } = sumOf(results[id] ?? {});
    return `| ${id} | ${saysOf(id, language)} | ${linksTo(id, language)} | ${numberOf(trials, ROWS[id], language)} | ${violations ?? '–'} | ${date ?? '–'} |`;
  });
  return `${language.head}\n|---|---|---|---:|---:|---|\n${lines.join('\n')}`;
}

/** The number of trials. A row that counts minutes shows both numbers if the run was shortened. */
function numberOf(trials, { unit, trials: required } = {}, { of, units }) {
  if (trials === undefined) return '–';
  return unit
    ? `${trials < required ? of(trials, required) : trials} ${units[unit]}`
    : trials.toLocaleString('en');
}

/** The sums over all specs of a row, and the oldest date. */
function sumOf(ofFiles) {
  const all = Object.values(ofFiles);
  if (all.length === 0) return {};
  const sum = (field) => all.reduce((total, each) => total + each[field], 0);
  return {
    trials: sum('trials'),
    violations: sum('violations'),
    date: all.map(({ date }) => date).toSorted(byName)[0],
  };
}

function saysOf(id, { says, promises }) {
  return says[id] ?? new RegExp(`^\\| ${id} \\| ([^|]+?) \\|`, 'm').exec(read(promises))?.[1];
}

function linksTo(id, language) {
  return [...proofs().get(id)]
    .toSorted(byName)
    .map(
      (file) => `[${basename(file).replace(/\.(e2e-)?spec\.ts$/, '')}](${language.root}/${file})`,
    )
    .join(', ');
}

/** Returns one line for each inconsistency. */
export function problems() {
  const results = readResults();
  return [
    ...[...proofs()].filter(([, files]) => files.size === 0).map(([id]) => `${id} has no test.`),
    ...PAGES.flatMap(withoutText),
    ...Object.entries(results).flatMap(([id, files]) => gone(id, Object.keys(files))),
    ...Object.keys(ROWS).flatMap((id) => triedTooRarely(id, sumOf(results[id] ?? {}).trials)),
    ...PAGES.filter((language) => withTables(language, results) !== read(language.page)).map(
      ({ page }) => `${page} differs from ${RESULTS}. Run: node tools/faults.mjs --update`,
    ),
  ];
}

/** The rows that one language does not describe. */
function withoutText(language) {
  const missing = (ids) => ids.filter((id) => !saysOf(id, language));
  return [
    ...missing(Object.keys(PROMISES)).map((id) => `${id} has no row in ${language.promises}.`),
    ...missing(Object.keys(ROWS)).map((id) => `${id} has no text for ${language.page}.`),
  ];
}

function gone(id, files) {
  const there = proofs().get(id) ?? new Set();
  return files
    .filter((file) => !there.has(file))
    .map((file) => `${RESULTS} has a result of ${file} for ${id}, which has no test of it.`);
}

function triedTooRarely(id, trials) {
  const { trials: required, unit } = ROWS[id];
  return !unit && trials !== undefined && trials < required
    ? [`${id} has ${trials} trials, but needs ${required}.`]
    : [];
}

if (process.argv[1] === import.meta.filename) {
  if (process.argv.includes('--update')) writeResults(readResults());
  const found = problems();
  process.stdout.write(found.map((each) => `${each}\n`).join(''));
  process.exitCode = found.length > 0 ? 1 : 0;
}
