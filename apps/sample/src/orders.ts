import { TypeOrmModule } from '@nestjs/typeorm';
import { runCommand } from './app.js';
import { runTask } from './operator.js';
import { Order } from './shop/order.entity.js';
import { PaymentConflict } from './shop/payment-conflict.entity.js';
import { AppClock } from './common/app-clock.js';
import { Waiting } from './shop/waiting.js';

const USAGE = `Usage: npm run orders -- conflicts
Lists what WeChat Pay reported and no order can take, and the orders that wait for an operator.
`;

/** `npm run orders -- conflicts`: reads the database of the environment. The embedded database is in use while the app runs. */
await runCommand(async () => {
  if (process.argv[2] !== 'conflicts') {
    process.stderr.write(USAGE);
    process.exitCode = 1;
    return;
  }
  await runTask({
    service: Waiting,
    parts: () => ({
      imports: [TypeOrmModule.forFeature([Order, PaymentConflict])],
      providers: [AppClock, Waiting],
    }),
    run: async (waiting) => (await waiting.list()).join('\n') || 'Nothing waits.',
  });
});
