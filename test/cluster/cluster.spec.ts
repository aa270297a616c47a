import { randomUUID } from 'node:crypto';
import type { RequestError } from '../../libs/miniprogram-client/src/index.js';
import { isFull, trials } from '../faults/rows.js';
import { onPostgres } from '../support/databases.js';
import { describeRedis, until } from '../support/redis.js';
import { describeHaproxy } from './haproxy.js';
import { Load, tableOf } from './load.js';
import type { Figures } from './load.js';
import { describePgBouncer } from './pgbouncer.js';
import { Site } from './site.js';
import { Visitor } from './visitor.js';

/** SHUTDOWN_DRAIN: its default in a full run. */
const DRAIN = isFull ? '5s' : '2s';
const CUSTOMERS = 4;
const IDLE_IN_TRANSACTION = `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
const ADVISORY_LOCKS = `SELECT pid FROM pg_locks WHERE locktype = 'advisory'`;

const failuresOf = (figures: Figures) => Object.values(figures).flatMap(({ failures }) => failures);
const report = (title: string, figures: Figures): void =>
  void (isFull && process.stdout.write(`${title}\n${tableOf(figures)}`));

onPostgres('three instances with PostgreSQL', (bin) =>
  describePgBouncer('behind PgBouncer, with', () =>
    describeRedis('a Redis Cluster and S3,', () =>
      describeHaproxy('behind HAProxy', () => {
        let site: Site;
        beforeAll(async () => {
          site = await Site.start(bin, DRAIN);
        }, 300_000);
        afterAll(() => site.end());

        it('start together, and leave no lock on the connections of PgBouncer', async () => {
          expect(await site.query(ADVISORY_LOCKS)).toEqual([]);
          expect(
            await site.query('SELECT name FROM migrations GROUP BY name HAVING count(*) > 1'),
          ).toEqual([]);
        });

        it.each(trials(3, 1))(
          'D3 are restarted in turn by SIGTERM, and no client fails',
          async () => {
            const load = await Load.start(site);
            const codes: (number | null)[] = [];
            for (const i of [0, 1, 2]) codes.push(await site.restart(i));
            await load.more(3);
            const figures = await load.stop();
            report('SIGTERM of each instance in turn', figures);
            expect(codes).toEqual([0, 0, 0]);
            expect(failuresOf(figures)).toEqual([]);
          },
        );

        it.each(trials(3, 1))(
          'D3 lose with one of them, after kill -9, only what it was doing',
          async () => {
            const load = await Load.start(site);
            await site.kill(1);
            const killedAt = performance.now();
            await load.more(10);
            await site.startInstance(1);
            await load.more(3);
            const figures = await load.stop();
            report('kill -9 of one instance', figures);
            const { notification: _, ...ofClients } = figures;
            const later = failuresOf(ofClients as Figures).filter(
              ({ startedAt }) => startedAt > killedAt,
            );
            expect(later).toEqual([]);
            expect(figures.notification.failures).toEqual([]);
          },
        );

        it.each(
          trials(3, 1).flatMap(() => [
            {
              fault: 'is paused',
              begin: () => site.pgBouncer.command('PAUSE'),
              end: () => site.pgBouncer.command('RESUME'),
            },
            {
              fault: 'is restarted',
              begin: () => site.pgBouncer.stop(),
              end: () => site.pgBouncer.start(),
            },
          ]),
        )(
          'D4 lose no order when PgBouncer $fault, and serve what needs no database',
          async ({ begin, end }) => {
            const customers = Array.from({ length: CUSTOMERS }, () => new Customer(site));
            const others = Array.from({ length: CUSTOMERS }, () => new Visitor(site));
            await Promise.all([...customers, ...others].map((each) => each.session.login()));
            const stopping = new AbortController();
            const work = [
              ...customers.map((customer) => customer.buy(stopping.signal)),
              ...others.map((other) => look(other, stopping.signal)),
            ];
            const all = Promise.all(work);
            await until(() => customers.every(({ ordered }) => ordered.length > 5));
            await begin();
            await until(() => customers.every(({ refusals }) => refusals > 1));
            await end();
            const before = customers.map(({ ordered }) => ordered.length);
            await until(() => customers.every(({ ordered }, i) => ordered.length > before[i]! + 5));
            stopping.abort();
            await all;
            const rows = await site.query('SELECT idempotency_key AS key FROM orders');
            const keys = new Set(rows.map(({ key }) => key));
            const ordered = customers.flatMap((customer) => customer.ordered);
            expect(ordered.filter((key) => !keys.has(key))).toEqual([]);
            await until(async () => (await site.query(IDLE_IN_TRANSACTION)).length === 0);
          },
        );
      }),
    ),
  ),
);

/** A user who orders one coffee after the other. */
class Customer extends Visitor {
  /** The keys of the orders that the app has confirmed. */
  readonly ordered: string[] = [];

  async buy(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      const key = randomUUID();
      await this.orderUntilDone(key);
      this.ordered.push(key);
    }
  }

  /** After the retries of the client, the user tries again. */
  private async orderUntilDone(key: string): Promise<void> {
    for (;;) {
      try {
        await this.order(key);
        return;
      } catch (error) {
        if ((error as RequestError).statusCode !== 503) throw error;
      }
    }
  }
}

/** Sends requests that need Redis only. */
async function look({ session }: Visitor, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) await session.request({ url: '/auth/session' });
}
