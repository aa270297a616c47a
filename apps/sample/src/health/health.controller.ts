import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, TypeOrmHealthIndicator } from '@nestjs/terminus';
import type { HealthCheckResult } from '@nestjs/terminus';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { UnavailableError } from '../common/app-error.js';
import { ApiAnswer, ApiFailures } from '../docs/api-answer.decorator.js';
import { UploadFolders } from '../files/upload-folders.js';

export class HealthAnswer {
  @ApiProperty({
    description:
      'degraded: store and database work, and WeChat fails or UPLOAD_DIR does not belong to the database',
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
    private readonly uploads: UploadFolders,
  ) {}

  @Get('live')
  @ApiOperation({ summary: 'The process answers' })
  @ApiAnswer(HealthAnswer)
  live(): HealthAnswer {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'Store and database answer',
    description: 'Send no traffic while this is 503. It never calls WeChat.',
  })
  @ApiAnswer(HealthAnswer)
  @ApiFailures('ERR_STORE_UNAVAILABLE')
  async ready(): Promise<HealthAnswer> {
    await this.health
      .check([
        () => this.wechat.store('store'),
        () => this.database.pingCheck('database', { timeout: 1000 }),
      ])
      .catch(notReady);
    if (this.uploads.problem !== undefined) return { status: 'degraded' };
    return { status: this.wechat.platform('wechat').wechat.state };
  }
}

/** Names the parts that are down. The reasons are in the log. */
function notReady(error: unknown): never {
  if (!(error instanceof ServiceUnavailableException)) throw error;
  const { error: down = {} } = error.getResponse() as HealthCheckResult;
  throw new UnavailableError(`not ready: ${Object.keys(down).join(', ')}`);
}
