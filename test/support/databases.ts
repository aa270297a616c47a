import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { findPostgres, startPostgres } from './postgres.js';

/** Runs the same tests on the embedded database and on a PostgreSQL server. */
export function describeOnEachDatabase(
  title: string,
  stories: (database: () => DatabaseConfig) => void,
): void {
  describe(`${title}, on the embedded database`, () => stories(() => ({ dir: 'memory://' })));
  onPostgres(`${title}, on PostgreSQL`, (bin) => {
    let stop: () => Promise<void>;
    let url: string;
    beforeAll(async () => {
      const postgres = await startPostgres(bin);
      ({ stop } = postgres);
      url = await postgres.createDatabase();
    });
    afterAll(() => stop());
    stories(() => ({ url }));
  });
}

/** `describe` for tests that need PostgreSQL. Without it they are skipped with a message, or fail if CI=true. */
export function onPostgres(title: string, stories: (bin: string) => void): void {
  const bin = findPostgres();
  if (bin) return describe(title, () => stories(bin));
  const reason = 'PostgreSQL is not installed; install the package postgresql';
  if (process.env['CI'] === 'true') {
    it(title, () => {
      throw new Error(reason);
    });
  } else {
    process.stderr.write(`\n  SKIPPED ${title}: ${reason}\n\n`);
    it.skip(`${title} (${reason})`, () => {});
  }
}
