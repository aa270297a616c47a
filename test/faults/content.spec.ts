import type { WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { CheckedPictures, servePictures } from '../support/checked-pictures.js';
import { PUSH } from '../support/push-messages.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import { isFull, often } from './rows.js';

const MEDIA = '/wxa/media_check_async';
const CHECKS = isFull ? 1_000 : 44;
const SUGGESTIONS = ['pass', 'review', 'risky'] as const;

describe('verdicts of WeChat on pictures', () => {
  let wechat: WechatSandbox;
  let alice: SandboxUser;
  let files: Awaited<ReturnType<typeof servePictures>>;
  let pictures: CheckedPictures;

  beforeAll(async () => {
    wechat = await startWechatSandbox({
      apps: [{ appId: PUSH.appId, secret: 'a'.repeat(32) }],
      demoUsers: true,
    });
    alice = wechat.users.get('alice')!;
    files = await servePictures();
    const { apps, ...options } = optionsFor(wechat);
    const push = { token: PUSH.token, aesKeys: [PUSH.aesKey] };
    const app = await startTeamApp(
      { ...options, apps: apps.map((one) => ({ ...one, push })) },
      { providers: [CheckedPictures] },
    );
    pictures = app.get(CheckedPictures);
    const { token, aesKey } = PUSH;
    wechat.configurePush(PUSH.appId, { url: `${app.url}/wechat/push`, token, aesKey });
  });
  afterAll(async () => {
    await closeTeamApps();
    await files.close();
    await wechat.close();
  });

  const check = (id: string, path = id): Promise<void> => {
    const session = { openid: alice.openid(), appId: PUSH.appId } as WechatSession;
    return pictures.check(id, `${files.url}/${path}`, session);
  };
  const arrive = async (after = '2s'): Promise<void> => {
    wechat.clock.advance(after);
    await wechat.settle();
  };
  /** The trace id of the newest check. */
  const traceIds: string[] = [];
  const rememberTraceIds = (): void =>
    wechat.always(MEDIA, {
      transform: (json) => {
        traceIds.push(String(json['trace_id']));
        return json;
      },
    });

  type Case = (id: string, suggest: (typeof SUGGESTIONS)[number]) => Promise<'visible' | 'hidden'>;
  const shown = (suggest: string) => (suggest === 'pass' ? 'visible' : 'hidden');
  /** What can happen to a verdict, and whether the picture may be visible afterwards. */
  const CASES: Record<string, Case> = {
    'comes after the response': async (id, suggest) => {
      wechat.contentVerdict('*', { suggest, after: '5m' });
      await check(id);
      expect(pictures.statusOf(id)).toBe('checking');
      await arrive('5m');
      return shown(suggest);
    },
    'comes before the response': async (id, suggest) => {
      wechat.contentVerdict('*', { suggest, before: true });
      await check(id);
      return shown(suggest);
    },
    'comes twice at the same time': async (id, suggest) => {
      wechat.contentVerdict('*', { suggest });
      wechat.nextDelivery({ duplicate: 2 });
      await check(id);
      await arrive();
      return shown(suggest);
    },
    'comes twice, the second time as a pass': async (id) => {
      wechat.contentVerdict('*', { suggest: 'risky' });
      await check(id);
      await arrive();
      wechat.contentVerdict(traceIds.at(-1)!, { suggest: 'pass' });
      await arrive();
      return 'hidden';
    },
    'comes before and after the response': async (id, suggest) => {
      wechat.contentVerdict('*', { suggest, before: true });
      await check(id);
      wechat.contentVerdict(traceIds.at(-1)!, { suggest });
      await arrive();
      return shown(suggest);
    },
    'never comes': async (id) => {
      wechat.contentVerdict('*', { suggest: 'pass', after: '1000d' });
      await check(id);
      await arrive('40m');
      return 'hidden';
    },
    'gets lost once': async (id, suggest) => {
      wechat.contentVerdict('*', { suggest });
      wechat.nextDelivery({ drop: true });
      await check(id);
      await arrive();
      await arrive('10s');
      return shown(suggest);
    },
    'comes for a picture that is deleted': async (id) => {
      wechat.contentVerdict('*', { suggest: 'pass' });
      await check(id);
      pictures.delete(id);
      await arrive();
      return 'hidden';
    },
    'comes for the picture before the newest one': async (id) => {
      wechat.contentVerdict('*', { suggest: 'pass', after: '1m' });
      await check(id);
      wechat.contentVerdict('*', { suggest: 'risky', after: '10m' });
      await check(id);
      await arrive('1m');
      expect(pictures.statusOf(id)).toBe('checking');
      await arrive('10m');
      return 'hidden';
    },
    'says that the download failed': async (id) => {
      wechat.contentVerdict('*', { suggest: 'pass' });
      await check(id, 'missing');
      await arrive();
      return 'hidden';
    },
    'comes for a check whose response got lost': async (id) => {
      wechat.contentVerdict('*', { suggest: 'pass' });
      wechat.next(MEDIA, { reset: 'after-work' });
      await expect(check(id)).rejects.toMatchObject({ code: 'ERR_WECHAT_UNAVAILABLE' });
      await arrive();
      return 'hidden';
    },
  };

  it(`Q11 make a picture visible only by a pass of its own check, whatever happens to them${often(CHECKS)}`, async () => {
    rememberTraceIds();
    const cases = Object.entries(CASES);
    for (let i = 0; i < CHECKS; i++) {
      await alice.login(); // content is checked for users who visited within two hours
      const [name, run] = cases[i % cases.length]!;
      const suggest = SUGGESTIONS[Math.floor(Math.random() * SUGGESTIONS.length)]!;
      const id = `picture-${i}`;
      const expected = await run(id, suggest);
      const actual = pictures.statusOf(id) === 'visible' ? 'visible' : 'hidden';
      expect([name, suggest, actual]).toEqual([name, suggest, expected]);
    }
  });
});
