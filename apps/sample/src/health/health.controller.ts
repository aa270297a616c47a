import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, TypeOrmHealthIndicator } from '@nestjs/terminus';
import type { HealthCheckResult } from '@nestjs/terminus';
import { WechatHealthIndicator } from 'nestjs-wechat/health';
import { UnavailableError } from '../common/app-error.js';
import { ApiAnswer, ApiFailures } from '../docs/api-answer.decorator.js';

export class HealthAnswer {
  @ApiProperty({
    description:
      'degraded: everything of ours is well, WeChat is not; only what needs WeChat fails',
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
    return { status: this.wechat.platform('wechat').wechat.state };
  }
}

/** Says which parts are down, and nothing of why: that is in the log. */
function notReady(error: unknown): never {
  if (!(error instanceof ServiceUnavailableException)) throw error;
  const { error: down = {} } = error.getResponse() as HealthCheckResult;
  throw new UnavailableError(`not ready: ${Object.keys(down).join(', ')}`);
}
