import { Module } from '@nestjs/common';
import type { ModuleMetadata, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigModule } from './config.module.js';
import { loadEnvironment, readConfig } from './config.js';
import type { AppConfig } from './config.js';
import { DatabaseModule } from './database/database.module.js';

@Module({})
class OperatorModule {}

/** A service of the app that a command uses, and the modules that it needs beside the configuration and the database. */
export interface OperatorTask<Service> {
  service: Type<Service>;
  parts: (config: AppConfig) => Pick<ModuleMetadata, 'imports' | 'providers'>;
  /** Returns what the command prints. */
  run: (service: Service) => Promise<string>;
}

/** Runs a service without the HTTP server, with the database of the environment. The embedded database is in use while the app runs. */
export async function runTask<Service>({
  service,
  parts,
  run,
}: OperatorTask<Service>): Promise<void> {
  const config = readConfig(loadEnvironment());
  const { imports = [], providers = [] } = parts(config);
  const operator = {
    module: OperatorModule,
    imports: [ConfigModule.with(config), DatabaseModule, ...imports],
    providers,
  };
  const context = await NestFactory.createApplicationContext(operator, {
    logger: ['error'],
    abortOnError: false,
  });
  process.stdout.write(`${await run(context.get(service))}\n`);
  await context.close();
}
