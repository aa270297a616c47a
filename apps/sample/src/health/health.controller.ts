import { Controller, Get, Optional, ServiceUnavailableException } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, TypeOrmHealthIndicator } from '@nestjs/terminus';
import type { HealthCheckResult } from '@nestjs/terminus';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { WechatPayClient } from 'nestjs-wechat/pay';
import { UnavailableError } from '../common/app-error.js';
import { Shutdown } from '../common/shutdown.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import { FileStorage } from '../files/file-storage.js';

export class HealthResponse {
  @ApiProperty({
    description:
      'degraded: the store and the database work, but calls to WeChat fail, WeChat Pay refuses the credentials or its notifications do not decrypt, or the storage of the files does not respond or does not belong to the database',
    enum: ['ok', 'degraded'],
  })
  status: 'ok' | 'degraded';

  static readonly example = { status: 'ok' };
}

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly wechat: WechatHealthIndicator,
    private readonly database: TypeOrmHealthIndicator,
    private readonly files: FileStorage,
    private readonly shutdown: Shutdown,
    @Optional() private readonly pay?: WechatPayClient,
  ) {}

  @Get('live')
  @ApiOperation({ summary: 'Liveness: the process is running' })
  @ApiEnvelope(HealthResponse)
  live(): HealthResponse {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'Readiness: the store and the database respond',
    description: 'Do not send traffic while this is 503. It never calls WeChat.',
  })
  @ApiEnvelope(HealthResponse)
  @ApiErrors('ERR_STORE_UNAVAILABLE')
  async ready(): Promise<HealthResponse> {
    if (this.shutdown.hasBegun) throw new UnavailableError('not ready: shutting down');
    await this.health
      .check([
        () => this.wechat.store('store'),
        () => this.database.pingCheck('database', { timeout: 1000 }),
      ])
      .catch(notReady);
    this.files.checkSoon();
    if (this.files.problem !== undefined || this.pay?.state === 'degraded')
      return { status: 'degraded' };
    return { status: this.wechat.platform('wechat').wechat.state };
  }
}

/** Names the parts that are down. The reasons are in the log. */
function notReady(error: unknown): never {
  if (!(error instanceof ServiceUnavailableException)) throw error;
  const { error: down = {} } = error.getResponse() as HealthCheckResult;
  throw new UnavailableError(`not ready: ${Object.keys(down).join(', ')}`);
}
