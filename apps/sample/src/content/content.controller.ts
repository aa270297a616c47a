import { Controller, Get, Param, Res, UseGuards } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply } from 'fastify';
import { CurrentUser, SessionGuard } from 'nestjs-wechat';
import { MoreThan, Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { NotFoundError } from '../common/app-error.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import { sendFile } from '../files/send-file.js';
import type { User } from '../users/user.entity.js';
import { ContentView } from './content.dto.js';
import { Content } from './content.entity.js';
import { Contents } from './contents.js';

const NAME = /^([0-9a-f]{32})\.[a-z0-9]{3,4}$/;

@ApiTags('content')
@Controller()
export class ContentController {
  constructor(
    @InjectRepository(Content) private readonly rows: Repository<Content>,
    private readonly contents: Contents,
    private readonly clock: AppClock,
  ) {}

  @Get('me/content')
  @UseGuards(SessionGuard)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Which of my name, picture and recordings other users may see' })
  @ApiEnvelope([ContentView])
  @ApiErrors('ERR_WECHAT_SESSION')
  async mine(@CurrentUser() user: User): Promise<ContentView[]> {
    const order = { createdAt: 'DESC', id: 'ASC' } as const;
    const rows = await this.rows.find({ where: { userId: user.id }, order });
    const avatars = rows.filter(({ kind }) => kind === 'avatar');
    const recordings = rows.filter(({ kind }) => kind === 'recording');
    const shown = [...avatars.slice(0, 1), ...recordings]; // of pictures, the one that was uploaded last
    return [...ContentView.ofName(user), ...shown.map((content) => ContentView.of(content))];
  }

  @Get('content/checks/:file')
  @ApiOperation({
    summary: 'A file under check, for WeChat',
    description: 'The name is random and valid for two hours, or until the verdict.',
  })
  @ApiProduces('image/jpeg', 'audio/mpeg', 'audio/aac', 'audio/wav')
  @ApiOkResponse({ description: 'the file', schema: { type: 'string', format: 'binary' } })
  @ApiErrors('ERR_NOT_FOUND', 'UNREADABLE')
  async underCheck(
    @Param('file') name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const checkToken = NAME.exec(name)?.[1];
    const where = { status: 'checking', checkUntil: MoreThan(this.clock.now()) } as const;
    const content = checkToken && (await this.rows.findOneBy({ ...where, checkToken }));
    const opened = content ? await this.contents.holderOf(content).open(content) : undefined;
    if (!opened) throw new NotFoundError();
    void reply.header('X-Robots-Tag', 'noindex');
    const { file, type } = opened;
    // Not by a redirect, because WeChat does not say whether it follows one.
    return sendFile(reply, file, { name, type, maxAge: 0 });
  }
}
