import { DataSource, MigrationExecutor } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';

/** Any number that nothing else on the server locks. */
const LOCK = 7_283_901;

/** Connects and brings the tables up to date. Instances that start together wait for each other: one migrates, the rest find it done. */
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
    await dataSource.destroy(); // which gives the lock back too
    throw error;
  }
}
