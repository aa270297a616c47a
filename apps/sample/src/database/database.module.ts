import { Inject, Injectable, Module } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config.js';
import { EmbeddedDatabase } from './embedded-database.js';
import { connectAndMigrate } from './migrate.js';
import { MIGRATIONS } from './migrations/index.js';

const EMBEDDED = Symbol('embedded database');

const COMMON = {
  type: 'postgres',
  autoLoadEntities: true,
  migrations: MIGRATIONS,
  installExtensions: false,
  retryDelay: 1000,
} satisfies TypeOrmModuleOptions;

/** A server that does not answer must not hold requests: one route answers within 6 s, whatever happens. */
const DEADLINES = { connectionTimeoutMillis: 2000, query_timeout: 3000 };

function optionsFor(
  { database }: AppConfig,
  embedded: EmbeddedDatabase | undefined,
): TypeOrmModuleOptions {
  if ('url' in database) return { ...COMMON, url: database.url, extra: DEADLINES };
  // One connection: the embedded server mixes up the messages of several, and has one backend for all of them anyway.
  const extra = { connectionTimeoutMillis: 5000, idleTimeoutMillis: 0 };
  return {
    ...COMMON,
    ...embedded?.address,
    username: 'postgres',
    database: 'postgres',
    poolSize: 1,
    extra,
  };
}

/** Closes the embedded database after TypeORM's last word to it. */
@Injectable()
class EmbeddedDatabaseEnd implements OnApplicationShutdown {
  constructor(
    @Inject(EMBEDDED) private readonly embedded: EmbeddedDatabase | undefined,
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
      provide: EMBEDDED,
      inject: [AppConfig],
      useFactory: ({ database }: AppConfig) =>
        'dir' in database ? EmbeddedDatabase.start(database.dir) : undefined,
    },
  ],
  exports: [EMBEDDED],
})
class EmbeddedDatabaseModule {}

/** The database: PostgreSQL where `DATABASE_URL` names a server, else the embedded one. Migrations run at the start. */
@Module({
  imports: [
    EmbeddedDatabaseModule,
    TypeOrmModule.forRootAsync({
      imports: [EmbeddedDatabaseModule],
      inject: [AppConfig, EMBEDDED],
      useFactory: optionsFor,
      dataSourceFactory: connectAndMigrate,
    }),
  ],
  providers: [EmbeddedDatabaseEnd],
})
export class DatabaseModule {}
