import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { runCommand } from './app.js';
import { ConfigModule } from './config.module.js';
import { loadEnvironment, readConfig } from './config.js';
import { DatabaseModule } from './database/database.module.js';
import { Order } from './shop/order.entity.js';
import { PaymentConflict } from './shop/payment-conflict.entity.js';
import { AppClock } from './common/app-clock.js';
import { Waiting } from './shop/waiting.js';

const USAGE = `Usage: npm run orders -- conflicts
Lists what WeChat Pay reported and no order can take, and the orders that wait for an operator.
`;

@Module({})
class OperatorModule {}

/** `npm run orders -- conflicts`: reads the database of the environment. The embedded database is in use while the app runs. */
await runCommand(async () => {
  if (process.argv[2] !== 'conflicts') {
    process.stderr.write(USAGE);
    process.exitCode = 1;
    return;
  }
  const operator = {
    module: OperatorModule,
    imports: [
      ConfigModule.with(readConfig(loadEnvironment())),
      DatabaseModule,
      TypeOrmModule.forFeature([Order, PaymentConflict]),
    ],
    providers: [AppClock, Waiting],
  };
  const context = await NestFactory.createApplicationContext(operator, {
    logger: ['error'],
    abortOnError: false,
  });
  const lines = await context.get(Waiting).list();
  process.stdout.write(lines.length > 0 ? `${lines.join('\n')}\n` : 'Nothing waits.\n');
  await context.close();
});
