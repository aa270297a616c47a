import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { migrateAndConnect } from '../../apps/sample/src/database/migrate.js';
import { MIGRATIONS } from '../../apps/sample/src/database/migrations/index.js';
import { describeWith } from './needs.js';
import { oncePerRun } from './once-per-run.js';
import { createDatabase, dropDatabase, findPostgres, launchPostgres } from './postgres.js';

/** The database of one app. */
export interface AppDatabase<Config extends DatabaseConfig = DatabaseConfig> {
  config: Config;
  remove: () => Promise<void>;
}

const EMBEDDED: AppDatabase = { config: { dir: 'memory://' }, remove: async () => {} };

/** Creates a database for an app: on PostgreSQL, because the embedded database takes longer to start, or embedded if it is not installed. */
export async function createAppDatabase(): Promise<AppDatabase> {
  const bin = findPostgres();
  return bin === undefined ? EMBEDDED : createOnPostgres(bin);
}

/** Creates a database with the tables of the app, on a server that all tests of this run share. */
export async function createOnPostgres(bin: string): Promise<AppDatabase<{ url: string }>> {
  const { port, migrated } = await oncePerRun('postgres', () => startShared(bin));
  const url = await createDatabase(port, migrated);
  return { config: { url }, remove: () => dropDatabase(url) };
}

/** The variable of an app that runs in its own process. Without it the app creates an embedded database in its folder. */
export const databaseEnvironment = ({ config }: AppDatabase): Record<string, string> =>
  'url' in config ? { DATABASE_URL: config.url } : {};

/** Starts the server, and creates the database that the others are copies of. */
async function startShared(
  bin: string,
): Promise<{ port: number; migrated: string; pid: number | undefined; folder: string }> {
  const { server, port, folder } = await launchPostgres(bin);
  server.unref(); // it runs until the global teardown ends it
  const url = await createDatabase(port);
  const database = await migrateAndConnect({
    type: 'postgres',
    url,
    migrations: MIGRATIONS,
    installExtensions: false, // as the app
  });
  await database.destroy(); // a database with connections cannot be copied
  return { port, migrated: new URL(url).pathname.slice(1), pid: server.pid, folder };
}

/** Runs the same tests on the embedded database and on a PostgreSQL server. */
export function describeOnEachDatabase(
  title: string,
  stories: (database: () => DatabaseConfig) => void,
): void {
  describe(`${title}, on the embedded database`, () => stories(() => EMBEDDED.config));
  onPostgres(`${title}, on PostgreSQL`, (bin) => {
    let database: AppDatabase;
    beforeAll(async () => {
      database = await createOnPostgres(bin);
    });
    afterAll(() => database.remove());
    stories(() => database.config);
  });
}

/** `describe` for tests that need PostgreSQL. They get the folder of its programs. */
export function onPostgres(title: string, stories: (bin: string) => void): void {
  const bin = findPostgres();
  const program = { name: 'PostgreSQL', isInstalled: bin !== undefined, package: 'postgresql' };
  describeWith(program, title, () => stories(bin ?? ''));
}
