import { Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { isWechatError } from 'nestjs-wechat';
import { In } from 'typeorm';
import type { FindOptionsWhere, ObjectLiteral, Repository } from 'typeorm';
import type { AppClock } from './app-clock.js';

/** How often a job looks for rows that are due, by real time. What is due is decided by the clock of the app. Milliseconds. */
export const LOOK_EVERY_MS = 1000;

/** How many rows one instance works on at a time. */
const BATCH = 20;
/** If an instance ends during its work, another one takes the row after this time, in milliseconds. Longer than the calls of one row take. */
export const LEASE_MS = 60_000;

/** A row that a job works on at its time. */
interface DueRow extends ObjectLiteral {
  id: string;
}

/**
 * Works on the rows of a table whose due time has come, on any number of instances. `workOn` sets the next due time; if it does not, the row
 * is taken again when its lease ends.
 */
export abstract class DueJob<Row extends DueRow> implements BeforeApplicationShutdown {
  protected readonly logger = new Logger(this.constructor.name);
  private running?: Promise<void>;
  private isStopping = false;

  /** @param column the due time of a row; `null` in it means never */
  constructor(
    protected readonly rows: Repository<Row>,
    protected readonly clock: AppClock,
    private readonly column = 'due_at',
  ) {}

  /** Works on every row that is due. A call during another one waits for that one. */
  run(): Promise<void> {
    this.running ??= this.workOnDue()
      .catch((error: unknown) => this.logger.error(error))
      .finally(() => (this.running = undefined));
    return this.running;
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  protected abstract workOn(row: Row): Promise<void>;

  private async workOnDue(): Promise<void> {
    let rows: Row[];
    do {
      rows = this.isStopping ? [] : await this.claim();
      await Promise.all(rows.map((row) => this.tryOn(row)));
    } while (rows.length > 0);
  }

  /** `SKIP LOCKED`: two instances that look at the same time take different rows. */
  private async claim(): Promise<Row[]> {
    const { column, rows } = this;
    const { tablePath } = rows.metadata;
    const [claimed] = await rows.query<[{ id: string }[], number]>(
      `UPDATE ${tablePath} SET ${column} = $2
       WHERE id IN (SELECT id FROM ${tablePath} WHERE ${column} <= $1 ORDER BY ${column} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [this.clock.now(), this.clock.in(LEASE_MS)],
    );
    if (claimed.length === 0) return [];
    const ids = claimed.map(({ id }) => id);
    return rows.findBy({ id: In(ids) } as FindOptionsWhere<Row>);
  }

  /** It is tried again, so WeChat being unavailable is a warning. */
  private async tryOn(row: Row): Promise<void> {
    try {
      await this.workOn(row);
    } catch (error) {
      const text = `${row.id} is tried again later`;
      if (isWechatError(error)) this.logger.warn(`${text}: ${error.code} ${error.message}`);
      else this.logger.error(error, text);
    }
  }
}
