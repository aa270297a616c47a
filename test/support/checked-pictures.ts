import {
  Controller,
  Get,
  Injectable,
  NotFoundException,
  Param,
  Post,
  UseGuards,
} from '@nestjs/common';
import {
  ContentSecurityService,
  CurrentSession,
  OnWechatMessage,
  readMediaVerdict,
  SessionGuard,
} from 'nestjs-wechat';
import type { MediaVerdict, WechatMessage, WechatSession } from 'nestjs-wechat';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

// #region pictures
interface Picture {
  status: 'checking' | 'visible' | 'hidden' | 'failed';
  traceId?: string;
}

@Injectable()
export class CheckedPictures {
  private readonly pictures = new Map<string, Picture>(); // your database
  /** Verdicts that came before the response of their check. Keep them for 30 minutes. */
  private readonly early = new Map<string, MediaVerdict>();

  constructor(private readonly content: ContentSecurityService) {}

  /** The user has uploaded a picture, or replaced it. */
  async check(id: string, url: string, { openid, appId }: WechatSession): Promise<void> {
    const picture: Picture = { status: 'checking' };
    this.pictures.set(id, picture);
    const check = { url, type: 'image', scene: 'profile', openid, appId } as const;
    const { traceId } = await this.content.checkMedia(check);
    picture.traceId = traceId;
    const verdict = this.early.get(traceId);
    if (verdict) this.judge(verdict);
  }

  @OnWechatMessage('event', 'wxa_media_check')
  checked(message: WechatMessage): void {
    this.judge(readMediaVerdict(message));
  }

  /** Compares the trace id, so that the verdict of an earlier picture does not count. Only the first verdict counts. */
  private judge(verdict: MediaVerdict): void {
    const picture = [...this.pictures.values()].find((one) => one.traceId === verdict.traceId);
    if (!picture) this.early.set(verdict.traceId, verdict);
    else if (picture.status === 'checking') picture.status = statusOf(verdict);
  }

  statusOf(id: string): Picture['status'] | undefined {
    return this.pictures.get(id)?.status;
  }

  delete(id: string): void {
    this.pictures.delete(id);
  }
}

function statusOf({ ok, verdict }: MediaVerdict): Picture['status'] {
  if (!ok) return 'failed'; // check it again later
  return verdict?.suggest === 'pass' ? 'visible' : 'hidden';
}
// #endregion pictures

/** Where WeChat downloads the pictures. */
export const PICTURES_URL = 'PICTURES_URL';

@Controller('pictures')
export class PicturesController {
  constructor(private readonly pictures: CheckedPictures) {}

  @Post(':id')
  @UseGuards(SessionGuard)
  upload(@Param('id') id: string, @CurrentSession() session: WechatSession): Promise<void> {
    return this.pictures.check(id, `${process.env[PICTURES_URL]}/${id}`, session);
  }

  @Get(':id')
  show(@Param('id') id: string): string {
    if (this.pictures.statusOf(id) !== 'visible') throw new NotFoundException();
    return id;
  }
}

/** A server with a picture at every path but `/missing`. */
export async function servePictures(): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(({ url }, response) => {
    response.statusCode = url === '/missing' ? 404 : 200;
    response.end('picture');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
