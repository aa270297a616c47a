import { DataSource, MigrationExecutor } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';

/** The key of the advisory lock. Nothing else on the server may use it. */
const LOCK = 7_283_901;

/** Connects and runs the pending migrations. If several instances start together, one migrates and the others wait. */
export async function connectAndMigrate(options?: DataSourceOptions): Promise<DataSource> {
  if (!options) throw new Error('Nest passes the options of TypeOrmModule.');
  const dataSource = await new DataSource(options).initialize();
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await new MigrationExecutor(dataSource, runner).executePendingMigrations();
    await runner.query('SELECT pg_advisory_unlock($1)', [LOCK]);
    await runner.release();
    return dataSource;
  } catch (error) {
    await dataSource.destroy(); // this releases the lock too
    throw error;
  }
}
