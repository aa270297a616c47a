import { isUUID } from 'class-validator';
import { WechatModule } from 'nestjs-wechat';
import { runCommand } from './app.js';
import { AvatarsModule } from './avatars/avatars.module.js';
import { ContentModule } from './content/content.module.js';
import { ContentOperator } from './content/content-operator.js';
import { runTask } from './operator.js';
import { RecordingsModule } from './recordings/recordings.module.js';
import { UsersService } from './users/users.service.js';
import { UsersModule } from './users/users.module.js';

const USAGE = `Usage: npm run content -- list | approve <id> | block <id>
Lists the content that waits for a person, publishes content that waits, or blocks content that waits or is published.
`;

/** `npm run content`: changes the database of the environment. The embedded database is in use while the app runs. */
await runCommand(async () => {
  const [command = '', id = ''] = process.argv.slice(2);
  if (command !== 'list' && !(['approve', 'block'].includes(command) && isUUID(id))) {
    process.stderr.write(USAGE);
    process.exitCode = 1;
    return;
  }
  await runTask({
    service: ContentOperator,
    parts: ({ wechat }) => ({
      imports: [
        WechatModule.forRoot({ ...wechat, users: UsersService }),
        UsersModule,
        ContentModule,
        AvatarsModule,
        RecordingsModule,
      ],
    }),
    run: (operator) => operator.run(command, id),
  });
});
