import { Logger } from '@nestjs/common';
import { createApp, listen, runCommand } from './app.js';
import { loadEnvironment, readConfig } from './config.js';
import type { AppConfig } from './config.js';
import { MIN_JWT_SECRET_BYTES } from './variables.js';

/** `npm run start:prod`: starts the reference app with the settings of the environment. */
await runCommand(async () => {
  const config = readConfig(loadEnvironment());
  const app = await createApp(config);
  warnAboutMissingSettings(config);
  await listen(app, config, '0.0.0.0');
});

function warnAboutMissingSettings({ production, database, jwt }: AppConfig): void {
  const logger = new Logger('Production');
  if (!jwt.isLasting)
    logger.warn(
      'JWT_SECRET is not set: app tokens are invalid after a restart, and in other instances.',
    );
  else if ((jwt.secret.symmetricKeySize ?? 0) < MIN_JWT_SECRET_BYTES)
    logger.warn(
      `JWT_SECRET is shorter than ${MIN_JWT_SECRET_BYTES} bytes: the owner of one token can guess it. With NODE_ENV=production the app does not start.`,
    );
  if (production && 'dir' in database)
    logger.warn(
      `DATABASE_URL is not set: users are kept in an embedded database in ${database.dir}, which only one process can use.`,
    );
}
