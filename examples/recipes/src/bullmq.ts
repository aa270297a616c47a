// #region bullmq
import { InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import { Controller, Post, UseGuards } from '@nestjs/common';
import { UnrecoverableError } from 'bullmq';
import type { Job, Queue } from 'bullmq';
import { CurrentSession, SessionGuard, SessionService, WechatSessionError } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';

@Controller('exports')
@UseGuards(SessionGuard)
export class ExportsController {
  constructor(@InjectQueue('exports') private readonly queue: Queue) {}

  /** The job carries the id of the session, which is no credential. It carries neither the `session_rd` nor personal data. */
  @Post()
  async start(@CurrentSession() { id }: WechatSession) {
    const job = await this.queue.add('orders', { sessionId: id }, { attempts: 3 });
    return { job: job.id };
  }
}

@Processor('exports')
export class ExportProcessor extends WorkerHost {
  constructor(private readonly sessions: SessionService) {
    super();
  }

  /** Acts for the user only while the session is live: a logout also ends the jobs that wait. */
  async process({ data }: Job<{ sessionId: string }>): Promise<{ exported: string }> {
    const session = await this.sessions.findById(data.sessionId).catch((error: unknown) => {
      if (error instanceof WechatSessionError)
        throw new UnrecoverableError('the user has logged out');
      throw error; // the store is unavailable: BullMQ tries again
    });
    return { exported: session.openid };
  }
}
// #endregion bullmq
