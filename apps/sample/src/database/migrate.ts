import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, MigrationExecutor } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { endUnfinishedConnections } from './unfinished-connections.js';

/** The key of the advisory lock. Nothing else on the server may use it. */
const LOCK = 7_283_901;
/** How often an instance looks whether another one has finished. */
const LOOK_EVERY_MS = 500;
const WARN_AFTER_MS = 5_000;
const LONGEST_WAIT_MS = 10 * 60_000;

/** Runs the pending migrations, then connects. */
export async function migrateAndConnect(options?: DataSourceOptions): Promise<DataSource> {
  if (options?.type !== 'postgres') throw new Error('Nest passes the options of TypeOrmModule.');
  const withoutEntities = { ...options, entities: [] };
  if ('url' in options) await alone(withoutEntities, () => migrate(withoutEntities));
  else await migrate(withoutEntities); // the embedded database has one connection, and its folder one owner
  const dataSource = await new DataSource(options).initialize();
  endUnfinishedConnections(dataSource);
  return dataSource;
}

/** Uses its own connection without a timeout, because a query of a migration can take longer than one of a request. */
async function migrate(options: DataSourceOptions & { type: 'postgres' }): Promise<void> {
  const { query_timeout: _, ...extra } = { ...(options.extra as Record<string, unknown>) };
  const dataSource = await new DataSource({ ...options, extra }).initialize();
  try {
    const executor = new MigrationExecutor(dataSource);
    executor.transaction = 'each'; // so that one can create an index without locking its table
    await executor.executePendingMigrations();
  } finally {
    await dataSource.destroy();
  }
}

/**
 * Waits until no other instance migrates. The lock belongs to a transaction that stays open meanwhile, because PgBouncer gives each
 * transaction another connection.
 */
async function alone(options: DataSourceOptions, work: () => Promise<void>): Promise<void> {
  const dataSource = await new DataSource(options).initialize();
  const runner = dataSource.createQueryRunner();
  const logger = new Logger('Migrations');
  try {
    for (let waited = 0; ; waited += LOOK_EVERY_MS) {
      await runner.startTransaction();
      // Without parameters: a query with them keeps its snapshot in the transaction, and CREATE INDEX CONCURRENTLY would wait for it.
      const [{ locked }] = await runner.query(
        `SELECT pg_try_advisory_xact_lock(${LOCK}) AS locked`,
      );
      if (locked) break;
      await runner.rollbackTransaction();
      if (waited === WARN_AFTER_MS)
        logger.warn(`Another instance migrates the database (advisory lock ${LOCK}). Waiting.`);
      if (waited >= LONGEST_WAIT_MS)
        throw new Error(
          `Another connection has had the lock of the migrations for ten minutes. Find it with: SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ${LOCK}`,
        );
      await sleep(LOOK_EVERY_MS);
    }
    // The transaction is idle while the migrations run. A limit of the server would end it, and the lock with it.
    await runner.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await work();
    await runner.commitTransaction();
  } finally {
    await runner.release();
    await dataSource.destroy();
  }
}
