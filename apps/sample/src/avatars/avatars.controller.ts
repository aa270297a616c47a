import { Controller, Get, Param, Res } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiFailures } from '../docs/api-answer.decorator.js';
import { AvatarsService } from './avatars.service.js';

@ApiTags('me')
@Controller('avatars')
export class AvatarsController {
  constructor(private readonly avatars: AvatarsService) {}

  @Get(':file')
  @ApiOperation({
    summary: 'A picture that a user chose',
    description:
      'Without a session: an image element of a mini program sends no header. The name is random, and new with each picture. It is a JPEG; older versions stored the file as it was uploaded.',
  })
  @ApiProduces('image/jpeg', 'image/png', 'image/webp', 'image/gif')
  @ApiOkResponse({ description: 'the picture', schema: { type: 'string', format: 'binary' } })
  @ApiFailures('ERR_NOT_FOUND')
  picture(
    @Param('file') name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return this.avatars.send(reply, name);
  }
}
