import { Controller, Get, Param, Res } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiErrors } from '../docs/api-responses.decorator.js';
import { AvatarsService } from './avatars.service.js';

@ApiTags('me')
@Controller('avatars')
export class AvatarsController {
  constructor(private readonly avatars: AvatarsService) {}

  @Get(':file')
  @ApiOperation({
    summary: 'The picture of a user',
    description:
      'Needs no session, because an image element of a mini program sends no header. The name is random and changes with each picture. The file is a JPEG. Older versions stored the uploaded file unchanged.',
  })
  @ApiProduces('image/jpeg', 'image/png', 'image/webp', 'image/gif')
  @ApiOkResponse({ description: 'the picture', schema: { type: 'string', format: 'binary' } })
  @ApiResponse({ status: 302, description: 'to the file in the bucket, with STORAGE_REDIRECT=on' })
  @ApiErrors('ERR_NOT_FOUND', 'UNREADABLE')
  picture(
    @Param('file') name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return this.avatars.send(reply, name);
  }
}
