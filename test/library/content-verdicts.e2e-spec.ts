import { Injectable } from '@nestjs/common';
import { OnWechatMessage, readMediaVerdict, SessionService } from 'nestjs-wechat';
import type { MediaVerdict, WechatMessage } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import {
  CheckedPictures,
  PICTURES_URL,
  PicturesController,
  servePictures,
} from '../support/checked-pictures.js';
import { clientOf } from '../support/http.js';
import { PUSH } from '../support/push-messages.js';
import type { Format } from '../support/push-messages.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { Adapter } from '../support/team-app.js';

const SETUPS: [Adapter, Format][] = [
  ['express', 'json'],
  ['express', 'xml'],
  ['fastify', 'json'],
  ['fastify', 'xml'],
];

describe.each(SETUPS)('pictures of users on %s, pushes in %s', (adapter, format) => {
  let wechat: WechatSandbox;
  let alice: SandboxUser;
  let files: Awaited<ReturnType<typeof servePictures>>;
  let call: ReturnType<typeof clientOf>;
  let sessions: SessionService;
  let token: string;

  beforeAll(async () => {
    wechat = await startWechatSandbox({
      apps: [{ appId: PUSH.appId, secret: 'a'.repeat(32) }],
      demoUsers: true,
    });
    alice = wechat.users.get('alice')!;
    files = await servePictures();
    process.env[PICTURES_URL] = files.url;
    const { apps, ...options } = optionsFor(wechat);
    const push = { token: PUSH.token, aesKeys: [PUSH.aesKey] };
    const app = await startTeamApp(
      { ...options, apps: apps.map((one) => ({ ...one, push })) },
      { adapter, controllers: [PicturesController], providers: [CheckedPictures] },
    );
    call = clientOf(app.url);
    const { token: pushToken, aesKey } = PUSH;
    const url = `${app.url}/wechat/push`;
    wechat.configurePush(PUSH.appId, { url, token: pushToken, aesKey, format });
    sessions = app.get(SessionService);
  });
  beforeEach(async () => {
    ({ session_rd: token } = await sessions.login((await alice.login()).code));
  });
  afterAll(async () => {
    await closeTeamApps();
    await files.close();
    await wechat.close();
  });

  const upload = async (id: string) =>
    expect((await call(`POST /pictures/${id}`, { token })).status).toBe(201);
  const statusOf = async (id: string) => (await call(`GET /pictures/${id}`)).status;
  const verdictsArrive = async (after: string | number = '2s') => {
    wechat.clock.advance(after);
    await wechat.settle();
  };

  it('are visible when WeChat lets them pass, and not before', async () => {
    await upload('latte');
    expect(await statusOf('latte')).toBe(404);
    await verdictsArrive();
    expect(await statusOf('latte')).toBe(200);
    expect(wechat.deliveries.at(-1)).toMatchObject({ done: true, attempts: [{ status: 200 }] });
  });

  it('are visible when the verdict comes before the response', async () => {
    wechat.contentVerdict('*', { suggest: 'pass', before: true });
    await upload('early');
    expect(await statusOf('early')).toBe(200);
    wechat.contentVerdict('*', {});
  });

  it.each(['risky', 'review'] as const)('stay hidden when the verdict is %s', async (suggest) => {
    wechat.contentVerdict('*', { suggest, after: '30m' });
    await upload(suggest);
    await verdictsArrive('30m');
    expect(await statusOf(suggest)).toBe(404);
    wechat.contentVerdict('*', {});
  });

  it('stay hidden when WeChat cannot download them', async () => {
    await upload('missing');
    await verdictsArrive();
    expect(await statusOf('missing')).toBe(404);
  });
});

describe('the verdict of an earlier picture', () => {
  /** Takes a verdict for the newest picture, whatever its trace id is. */
  @Injectable()
  class NaivePictures {
    verdict?: MediaVerdict;

    @OnWechatMessage('event', 'wxa_media_check')
    checked(message: WechatMessage): void {
      this.verdict = readMediaVerdict(message);
    }

    statusOf(): string {
      return this.verdict?.verdict?.suggest === 'pass' ? 'visible' : 'hidden';
    }
  }

  const earlier = {
    appId: PUSH.appId,
    type: 'event',
    event: 'wxa_media_check',
    from: 'o1',
    to: 'gh_1',
    createdAt: new Date(),
    encrypted: true,
    data: { trace_id: 'earlier-check', errcode: 0, result: { suggest: 'pass', label: 100 } },
  };
  const session = { openid: 'o1', appId: PUSH.appId } as never;
  const content = { checkMedia: async () => ({ traceId: 'newest-check' }) } as never;

  it('does not make the newest one visible', async () => {
    const pictures = new CheckedPictures(content);
    await pictures.check('latte', 'https://shop.example/latte.jpg', session);
    pictures.checked(earlier);
    expect(pictures.statusOf('latte')).toBe('checking');
  });

  it('control: an application that does not compare trace ids shows it', () => {
    const pictures = new NaivePictures();
    pictures.checked(earlier);
    expect(pictures.statusOf()).toBe('visible');
  });
});
