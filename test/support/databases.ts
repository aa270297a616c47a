import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { findPostgres, startPostgres } from './postgres.js';

/** Tells the same stories on the embedded database and on a real PostgreSQL server. */
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

/** Stories that need PostgreSQL's programs. Without them they are skipped, loudly; where `CI=true`, they fail. */
export function onPostgres(title: string, stories: (bin: string) => void): void {
  const bin = findPostgres();
  if (bin) return describe(title, () => stories(bin));
  const reason = 'there is no PostgreSQL server; install the package postgresql';
  if (process.env['CI'] === 'true') {
    it(title, () => {
      throw new Error(reason);
    });
  } else {
    process.stderr.write(`\n  SKIPPED ${title}: ${reason}\n\n`);
    it.skip(`${title} (${reason})`, () => {});
  }
}
