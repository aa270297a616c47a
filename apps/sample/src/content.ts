import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { isUUID } from 'class-validator';
import { WechatModule } from 'nestjs-wechat';
import { runCommand } from './app.js';
import { AvatarsModule } from './avatars/avatars.module.js';
import { ConfigModule } from './config.module.js';
import { loadEnvironment, readConfig } from './config.js';
import { ContentModule } from './content/content.module.js';
import { ContentOperator } from './content/content-operator.js';
import { DatabaseModule } from './database/database.module.js';
import { RecordingsModule } from './recordings/recordings.module.js';
import { UsersService } from './users/users.service.js';
import { UsersModule } from './users/users.module.js';

const USAGE = `Usage: npm run content -- list | approve <id> | block <id>
Lists the content that waits for a person, publishes content that waits, or blocks content that waits or is published.
`;

@Module({})
class OperatorModule {}

/** `npm run content`: changes the database of the environment. The embedded database is in use while the app runs. */
await runCommand(async () => {
  const [command = '', id = ''] = process.argv.slice(2);
  if (command !== 'list' && !(['approve', 'block'].includes(command) && isUUID(id))) {
    process.stderr.write(USAGE);
    process.exitCode = 1;
    return;
  }
  const config = readConfig(loadEnvironment());
  const operator = {
    module: OperatorModule,
    imports: [
      ConfigModule.with(config),
      DatabaseModule,
      WechatModule.forRoot({ ...config.wechat, users: UsersService }),
      UsersModule,
      ContentModule,
      AvatarsModule,
      RecordingsModule,
    ],
  };
  const context = await NestFactory.createApplicationContext(operator, {
    logger: ['error'],
    abortOnError: false,
  });
  process.stdout.write(`${await context.get(ContentOperator).run(command, id)}\n`);
  await context.close();
});
