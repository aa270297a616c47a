import { Inject, Injectable, Module } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import type { ClientBase } from 'pg';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config.js';
import { EmbeddedDatabase } from './embedded-database.js';
import { migrateAndConnect } from './migrate.js';
import { MIGRATIONS } from './migrations/index.js';

export const EMBEDDED_DATABASE = Symbol('embedded database');

const COMMON = {
  type: 'postgres',
  autoLoadEntities: true,
  migrations: MIGRATIONS,
  installExtensions: false,
  retryDelay: 1000,
} satisfies TypeOrmModuleOptions;

/** The options of node-postgres for each connection. */
const CONNECTION = {
  /** Milliseconds. A server that does not respond must not block requests: every route responds within 6 s. */
  connectionTimeoutMillis: 2000,
  query_timeout: 3000,
  /**
   * Adds a listener for errors, because an `error` event without one ends the process. The pool removes its own listener when it hands a
   * connection out, and TypeORM adds one later. The server can end the connection in between. The next query then fails.
   */
  onConnect: (client: ClientBase) => void client.on('error', () => {}),
};

function optionsFor(
  { database }: AppConfig,
  embedded: EmbeddedDatabase | undefined,
): TypeOrmModuleOptions {
  if ('url' in database) return { ...COMMON, url: database.url, extra: CONNECTION };
  // One connection, because the embedded server mixes up the messages of several connections. Requests wait for it.
  const extra = { ...CONNECTION, connectionTimeoutMillis: 5000, idleTimeoutMillis: 0 };
  return {
    ...COMMON,
    ...embedded?.address,
    username: 'postgres',
    database: 'postgres',
    poolSize: 1,
    extra,
  };
}

/** Closes the embedded database after TypeORM has closed its connection. */
@Injectable()
class EmbeddedDatabaseShutdown implements OnApplicationShutdown {
  constructor(
    @Inject(EMBEDDED_DATABASE) private readonly embedded: EmbeddedDatabase | undefined,
    @Inject(DataSource) private readonly dataSource: DataSource,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    if (this.embedded && this.dataSource.isInitialized) await this.dataSource.destroy();
    await this.embedded?.stop();
  }
}

@Module({
  providers: [
    {
      provide: EMBEDDED_DATABASE,
      inject: [AppConfig],
      useFactory: ({ database }: AppConfig) =>
        'dir' in database ? EmbeddedDatabase.start(database.dir) : undefined,
    },
  ],
  exports: [EMBEDDED_DATABASE],
})
class EmbeddedDatabaseModule {}

/** The database: the PostgreSQL server of `DATABASE_URL`, or the embedded database if it is not set. Migrations run at the start. */
@Module({
  imports: [
    EmbeddedDatabaseModule,
    TypeOrmModule.forRootAsync({
      imports: [EmbeddedDatabaseModule],
      inject: [AppConfig, EMBEDDED_DATABASE],
      useFactory: optionsFor,
      dataSourceFactory: migrateAndConnect,
    }),
  ],
  providers: [EmbeddedDatabaseShutdown],
})
export class DatabaseModule {}
