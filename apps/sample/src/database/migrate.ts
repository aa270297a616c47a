import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, MigrationExecutor } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';

/** The key of the advisory lock. Nothing else on the server may use it. */
const LOCK = 7_283_901;
/** How often an instance looks whether another one has finished, in milliseconds. */
const LOOK_EVERY = 500;

/** Runs the pending migrations, then connects. */
export async function migrateAndConnect(options?: DataSourceOptions): Promise<DataSource> {
  if (options?.type !== 'postgres') throw new Error('Nest passes the options of TypeOrmModule.');
  await migrate(options);
  return new DataSource(options).initialize();
}

/** Uses its own connections, because a query of a migration can take longer than one of a request. */
async function migrate(options: DataSourceOptions & { type: 'postgres' }): Promise<void> {
  const { query_timeout: _, ...extra } = {
    ...(options.extra as Record<string, unknown> | undefined),
  };
  const dataSource = await new DataSource({ ...options, extra, entities: [] }).initialize();
  try {
    if ('url' in options) await alone(dataSource, () => runPending(dataSource));
    else await runPending(dataSource); // the embedded database has one connection, and its folder one owner
  } finally {
    await dataSource.destroy();
  }
}

/**
 * Waits until no other instance migrates. The lock belongs to a transaction that stays open meanwhile, because PgBouncer gives each
 * transaction another connection.
 */
async function alone(dataSource: DataSource, work: () => Promise<void>): Promise<void> {
  const runner = dataSource.createQueryRunner();
  try {
    for (;;) {
      await runner.startTransaction();
      // Without parameters: a query with them keeps its snapshot in the transaction, and CREATE INDEX CONCURRENTLY would wait for it.
      const [{ locked }] = await runner.query(
        `SELECT pg_try_advisory_xact_lock(${LOCK}) AS locked`,
      );
      if (locked) break;
      await runner.rollbackTransaction();
      await sleep(LOOK_EVERY);
    }
    await work();
    await runner.commitTransaction();
  } finally {
    await runner.release();
  }
}

/** Each migration has its own transaction, so that one can create an index without locking its table. */
async function runPending(dataSource: DataSource): Promise<void> {
  const executor = new MigrationExecutor(dataSource);
  executor.transaction = 'each';
  await executor.executePendingMigrations();
}
