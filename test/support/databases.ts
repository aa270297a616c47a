import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseConfig } from '../../apps/sample/src/config.js';
import { EmbeddedDatabase } from '../../apps/sample/src/database/embedded-database.js';
import { migrateAndConnect } from '../../apps/sample/src/database/migrate.js';
import { MIGRATIONS } from '../../apps/sample/src/database/migrations/index.js';
import { describeWith } from './needs.js';
import { oncePerRun } from './once-per-run.js';
import type { Shared } from './once-per-run.js';
import { createDatabase, dropDatabase, findPostgres, launchPostgres } from './postgres.js';

/** The database of one app. */
export interface AppDatabase<Config extends DatabaseConfig = DatabaseConfig> {
  config: Config;
  remove: () => Promise<void>;
}

/** What the app passes to TypeORM. */
const TYPEORM = { type: 'postgres', migrations: MIGRATIONS, installExtensions: false } as const;

/** Creates a database for an app: on PostgreSQL, because the embedded database takes longer to start, or embedded if it is not installed. */
export async function createAppDatabase(): Promise<AppDatabase> {
  const bin = findPostgres();
  return bin === undefined ? createEmbedded() : createOnPostgres(bin);
}

async function createEmbedded(): Promise<AppDatabase<{ dir: string }>> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-embedded-'));
  const dir = join(folder, 'db');
  await copyEmbeddedTo(dir);
  return { config: { dir }, remove: () => rm(folder, { recursive: true }) };
}

/** Copies an embedded database with the tables of the app, because the first start of a new one takes six seconds of CPU time. */
export async function copyEmbeddedTo(dir: string): Promise<void> {
  const { folder } = await oncePerRun('embedded', migrateEmbedded);
  await cp(join(folder, 'db'), dir, { recursive: true });
}

/** Creates the embedded database that the others are copies of. */
async function migrateEmbedded(): Promise<{ folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-embedded-'));
  const server = await EmbeddedDatabase.start(join(folder, 'db'));
  const user = { username: 'postgres', database: 'postgres', poolSize: 1 };
  const database = await migrateAndConnect({ ...TYPEORM, ...server.address, ...user });
  await database.destroy();
  await server.stop();
  return { folder };
}

/** Creates a database with the tables of the app, on a server that all tests of this run share. */
export async function createOnPostgres(bin: string): Promise<AppDatabase<{ url: string }>> {
  const { port, migrated } = await sharedServer(bin);
  return databaseOn(port, migrated);
}

/** Creates a database without tables, on a server that all tests of this run share. */
export async function createEmptyOnPostgres(bin: string): Promise<AppDatabase<{ url: string }>> {
  const { port } = await sharedServer(bin);
  return databaseOn(port);
}

async function databaseOn(port: number, template?: string): Promise<AppDatabase<{ url: string }>> {
  const url = await createDatabase(port, template);
  return { config: { url }, remove: () => dropDatabase(url) };
}

/** The variable of an app that runs in its own process. Without it the app creates an embedded database in its folder. */
export const databaseEnvironment = ({ config }: AppDatabase): Record<string, string> =>
  'url' in config ? { DATABASE_URL: config.url } : {};

interface SharedServer extends Shared {
  port: number;
  /** The name of a database with the tables of the app. */
  migrated: string;
}

const sharedServer = (bin: string): Promise<SharedServer> =>
  oncePerRun('postgres', () => startShared(bin));

/** Starts the server, and creates the database that the others are copies of. */
async function startShared(bin: string): Promise<SharedServer> {
  const { server, port, folder } = await launchPostgres(bin);
  server.unref(); // it runs until the global teardown ends it
  const url = await createDatabase(port);
  const database = await migrateAndConnect({ ...TYPEORM, url });
  await database.destroy(); // a database with connections cannot be copied
  return { port, migrated: new URL(url).pathname.slice(1), pid: server.pid, folder };
}

/** Runs the same tests on the embedded database and on a PostgreSQL server. */
export function describeOnEachDatabase(
  title: string,
  stories: (database: () => DatabaseConfig) => void,
): void {
  const storiesOn = (create: () => Promise<AppDatabase>): void => {
    let database: AppDatabase;
    beforeAll(async () => {
      database = await create();
    });
    stories(() => database.config);
    afterAll(() => database.remove()); // after the hooks of the stories, which close the app
  };
  describe(`${title}, on the embedded database`, () => storiesOn(createEmbedded));
  onPostgres(`${title}, on PostgreSQL`, (bin) => storiesOn(() => createOnPostgres(bin)));
}

/** `describe` for tests that need PostgreSQL. They get the folder of its programs. */
export function onPostgres(title: string, stories: (bin: string) => void): void {
  const bin = findPostgres();
  const program = { name: 'PostgreSQL', isInstalled: bin !== undefined, package: 'postgresql' };
  describeWith(program, title, () => stories(bin ?? ''));
}
