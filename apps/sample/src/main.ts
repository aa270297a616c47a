import { Logger } from '@nestjs/common';
import { existsSync } from 'node:fs';
import { createApp } from './app.js';
import { MIN_JWT_SECRET_BYTES, readConfig } from './config.js';
import type { AppConfig } from './config.js';
import { run, serve } from './serve.js';

await run(async () => {
  if (existsSync('.env')) process.loadEnvFile();
  const config = readConfig(process.env);
  const app = await createApp(config);
  warnOfWhatIsMissing(config);
  await serve(app, config.port, '0.0.0.0');
});

function warnOfWhatIsMissing({ production, wechat, database, jwt }: AppConfig): void {
  const logger = new Logger('Production');
  if (!jwt.isLasting)
    logger.warn(
      'JWT_SECRET is not set: app tokens end with this process, and other instances refuse them.',
    );
  else if ((jwt.secret.symmetricKeySize ?? 0) < MIN_JWT_SECRET_BYTES)
    logger.warn(
      `JWT_SECRET is shorter than ${MIN_JWT_SECRET_BYTES} bytes: the owner of one token can guess it. A production start refuses it.`,
    );
  if (production && !wechat.redis)
    logger.warn('REDIS_URL is not set: sessions live in this process and end with it.');
  if (production && 'dir' in database)
    logger.warn(
      `DATABASE_URL is not set: users live in an embedded database in ${database.dir}, for one process.`,
    );
}
