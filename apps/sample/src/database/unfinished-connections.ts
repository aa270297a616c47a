import type { Client, Pool } from 'pg';
import type { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';

/**
 * Ends a connection that is released in a query or in a transaction, so that no other request gets it. This happens after the timeout of
 * a query: the `ROLLBACK` waits for that query, and times out too. What another request wrote there would belong to the old transaction,
 * and would be lost.
 */
export function endUnfinishedConnections({ driver }: DataSource): void {
  const pool = (driver as PostgresDriver).master as Pool;
  pool.on('release', (_error, released) => {
    const client = released as unknown as Client & { readyForQuery: boolean };
    if (!client.readyForQuery || client.getTransactionStatus() !== 'I') void client.end();
  });
}
