import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { DueJob, LEASE_MS } from '../common/due-job.js';
import { AppConfig } from '../config.js';
import { FileStorage } from './file-storage.js';
import { FileSweep, SWEEP_ID } from './file-sweep.entity.js';
import { StorageUnavailableError } from './storage-errors.js';
import { sweep } from './sweep.js';
import type { SweepResult } from './sweep.js';

/** The name of the timer. */
const SWEEP_JOB = 'sweep';

const LOOK_EVERY_MS = 60_000;
const DAY_MS = 24 * 3600_000;
/** After a failure. */
const REPEAT_MS = 600_000;
const RENEW_MS = LEASE_MS / 4;

/**
 * Compares the files with their rows once a day, in one instance. The instance has a lease and renews it. Without a renewal, another instance
 * begins again. A lease needs no open connection, so PgBouncer and long sweeps do not conflict.
 */
@Injectable()
export class SweepJob extends DueJob<FileSweep> {
  private readonly stopping = new AbortController();

  constructor(
    @InjectRepository(FileSweep) rows: Repository<FileSweep>,
    clock: AppClock,
    private readonly storage: FileStorage,
    private readonly config: AppConfig,
  ) {
    super(rows, clock);
  }

  @Interval(SWEEP_JOB, LOOK_EVERY_MS)
  override run(): Promise<void> {
    return super.run();
  }

  override async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await super.beforeApplicationShutdown();
  }

  /** Takes the lease, also from an instance that sweeps now, and sweeps at once. */
  async runNow(): Promise<SweepResult> {
    const lease = { id: SWEEP_ID, dueAt: this.clock.in(LEASE_MS) };
    await this.rows.update(SWEEP_ID, { dueAt: lease.dueAt });
    return this.sweepAll(lease);
  }

  protected async workOn(lease: FileSweep): Promise<void> {
    try {
      await this.sweepAll(lease);
    } catch (error) {
      if (error instanceof SweepEndedError) return;
      await this.setDue(lease, REPEAT_MS);
      throw error;
    }
  }

  private async sweepAll(lease: FileSweep): Promise<SweepResult> {
    await this.storage.check();
    const { problem, store, kinds } = this.storage;
    if (problem !== undefined) throw new StorageUnavailableError({ reason: problem });
    const total = { orphans: 0, missing: 0 };
    const db = this.rows.manager;
    const now = await this.storage.now();
    const trashAgeMs = this.config.uploadTrashAgeMs;
    const mayContinue = this.renewing(lease);
    for (const kind of kinds) {
      const { orphans, missing } = await sweep(kind, { store, db, now, trashAgeMs, mayContinue });
      total.orphans += orphans;
      total.missing += missing;
    }
    await this.setDue(lease, DAY_MS);
    return total;
  }

  /** Renews the lease from time to time. @throws SweepEndedError if another instance has it, or if the app closes */
  private renewing(lease: FileSweep): () => Promise<void> {
    let renewedAt = performance.now();
    return async () => {
      if (this.stopping.signal.aborted) throw new SweepEndedError();
      if (performance.now() - renewedAt < RENEW_MS) return;
      await this.setDue(lease, LEASE_MS);
      renewedAt = performance.now();
    };
  }

  /** Sets when the job is due again, if this instance still has the lease. @throws SweepEndedError if it has not */
  private async setDue(lease: FileSweep, dueInMs: number): Promise<void> {
    const { id, dueAt: until } = lease;
    const dueAt = this.clock.in(dueInMs);
    const { affected } = await this.rows.update({ id, dueAt: until }, { dueAt });
    if (!affected) throw new SweepEndedError();
    lease.dueAt = dueAt;
  }
}

class SweepEndedError extends Error {}
