import { Controller, Post, UseGuards } from '@nestjs/common';
import { createDecipheriv, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import {
  CryptoService,
  decryptOpenData,
  OpenData,
  SessionGuard,
  SessionService,
  WechatRateLimitError,
  WechatStore,
} from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { EncryptedData, SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { isFull, often } from '../faults/rows.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { CbcForger } from './cbc-forger.js';
import type { Oracle } from './cbc-forger.js';

const QUERIES = isFull ? 50_000 : 2_000;
const ENOUGH_FOR_NAIVE = 40_000;
const APP = 'wx5a4db0c1e2f37608';
const now = Date.now();
/** The data that the attacker wants to forge: the phone number of another user. */
const FORGERY = Buffer.from(
  JSON.stringify({
    phoneNumber: '13800000000',
    purePhoneNumber: '13800000000',
    countryCode: '86',
    watermark: { timestamp: Math.floor(now / 1000), appid: APP },
  }),
);

const sessionKey = randomBytes(16);

/** A typical naive server: each step has its own message. */
const naive: Oracle = (iv, ciphertext) => {
  try {
    const aes = createDecipheriv('aes-128-cbc', sessionKey, iv);
    const text = Buffer.concat([aes.update(ciphertext), aes.final()]).toString();
    try {
      return (JSON.parse(text) as { watermark: { appid: string } }).watermark.appid === APP
        ? 'ok'
        : 'wrong appid';
    } catch {
      return 'not JSON';
    }
  } catch {
    return 'decrypt error';
  }
};

const ours: Oracle = (iv, ciphertext) => {
  const [encryptedData, vector] = [ciphertext.toString('base64'), iv.toString('base64')];
  try {
    decryptOpenData({
      sessionKey: sessionKey.toString('base64'),
      appId: APP,
      encryptedData,
      iv: vector,
      now,
    });
    return 'ok';
  } catch (error) {
    return inspect(error, { depth: 20 }).replaceAll(OUR_FRAMES, '');
  }
};

/** Removes the frames of the test from the stack and keeps those of the library. */
const OUR_FRAMES = /\n +at (?!.*libs\/wechat\/).*/g;

describe('an attacker who forges open data', () => {
  it(`P11 control: makes a naive server accept any phone number, in fewer than ${ENOUGH_FOR_NAIVE} requests`, () => {
    const forger = new CbcForger(naive, ENOUGH_FOR_NAIVE);
    const forged = forger.forge(FORGERY);
    expect(forged && naive(forged.iv, forged.ciphertext)).toBe('ok');
    expect(
      decryptOpenData({
        sessionKey: sessionKey.toString('base64'),
        appId: APP,
        ...asBase64(forged!),
      }),
    ).toHaveProperty('phoneNumber');
  });

  it(`P11 B-encryptedData learns nothing from the library${often(QUERIES)}`, () => {
    const forger = new CbcForger(ours, QUERIES);
    expect(forger.forge(FORGERY)).toBeUndefined();
    expect([forger.queries > QUERIES, forger.learnt, forger.results.size]).toEqual([true, 0, 1]);
  });
});

function asBase64({ iv, ciphertext }: { iv: Buffer; ciphertext: Buffer }): EncryptedData {
  return { iv: iv.toString('base64'), encryptedData: ciphertext.toString('base64') };
}

@Controller()
class OpenDataController {
  @Post('open-data')
  @UseGuards(SessionGuard)
  openData(@OpenData() data: unknown): unknown {
    return data;
  }
}

describe('open data over HTTP', () => {
  let wechat: WechatSandbox;
  let app: TeamApp;
  let user: SandboxUser;
  let sessionRd: string;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat), { controllers: [OpenDataController] });
  });
  beforeEach(async () => {
    user = wechat.users.create({ phoneNumber: '13580006666' });
    ({ session_rd: sessionRd } = await app.get(SessionService).login((await user.login()).code));
  });
  afterAll(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  const post = (token: string, body: object): Promise<Response> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return app.fetch('/open-data', { method: 'POST', headers, body: JSON.stringify(body) });
  };
  const send = async (body: object): Promise<{ status: number; seen: string }> => {
    const response = await post(sessionRd, body);
    const headersSeen = [...response.headers].filter(([name]) => name !== 'date');
    return {
      status: response.status,
      seen: JSON.stringify([response.status, headersSeen, await response.text()]),
    };
  };
  const flip = (base64: string, bit: number): string => {
    const bytes = Buffer.from(base64, 'base64');
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    return bytes.toString('base64');
  };

  it('P11 B-encryptedData is refused ten times with equal responses and headers for every error, and then with 429 for ten minutes', async () => {
    const good = await user.getPhoneNumber();
    const stranger = wechat.users.create();
    await stranger.login();
    const wrong = [
      { ...good, encryptedData: flip(good.encryptedData, 0) },
      { ...good, encryptedData: good.encryptedData.slice(0, -24) },
      { ...good, iv: flip(good.iv, 3) },
      { ...good, iv: 'x' },
      { ...good, encryptedData: '%' },
      user.encrypt('not JSON'),
      user.encrypt('{}', undefined, { watermark: false }),
      user.encrypt({ phoneNumber: '1' }),
      await stranger.getPhoneNumber(),
      user.encrypt({ openGId: 'x' }, undefined, {
        watermark: { appid: 'wx0000000000000000', timestamp: 1 } as never,
      }),
    ];
    const responses = [];
    for (const body of wrong) responses.push(await send(body));
    expect(responses.map(({ seen }) => seen)).toEqual(Array(wrong.length).fill(responses[0]!.seen));
    expect(responses[0]!.status).toBe(400);
    const limited = await send(good);
    expect([limited.status, limited.seen]).toEqual([
      429,
      expect.stringContaining(JSON.stringify(['retry-after', '600'])),
    ]);
    wechat.clock.advance('10m');
    expect((await send(await user.getPhoneNumber())).status).toBe(201);
  });

  const RUNS = isFull ? 2_000 : 100;
  /** Three rounds of three kinds, and one request before them, use up the ten failures of a user. */
  const ROUNDS_OF_A_USER = 3;
  /** Equal in size, and each refused at another step. */
  const wrongFor = (attacker: SandboxUser): Record<string, EncryptedData> => {
    const watermark = {
      appid: 'wx0000000000000000',
      timestamp: Math.floor(wechat.clock.now() / 1000),
    };
    const appid = attacker.encrypt({ openGId: 'x'.repeat(200) }, undefined, { watermark } as never);
    const length = Buffer.from(appid.encryptedData, 'base64').length;
    return {
      padding: { ...appid, encryptedData: randomBytes(length).toString('base64') },
      json: attacker.encrypt('not JSON'.padEnd(length - 8), undefined, { watermark: false }),
      appid,
    };
  };
  const timeOf = async (token: string, data: EncryptedData): Promise<number> => {
    const startedAt = performance.now();
    const response = await post(token, data);
    await response.text();
    expect(response.status).toBe(400);
    return performance.now() - startedAt;
  };
  /** Returns the greatest median of the kinds divided by the least. */
  const spreadOf = async (runs: number): Promise<number> => {
    const times: Record<string, number[]> = { padding: [], json: [], appid: [] };
    for (let done = 0; done < runs; done += ROUNDS_OF_A_USER) {
      const attacker = wechat.users.create();
      const login = await app.get(SessionService).login((await attacker.login()).code);
      const kinds = Object.entries(wrongFor(attacker));
      await timeOf(login.session_rd, kinds[0]![1]); // warm-up: the first request after a login takes longer
      for (let round = 0; round < ROUNDS_OF_A_USER; round++) {
        for (const [kind, data] of kinds) times[kind]!.push(await timeOf(login.session_rd, data));
        kinds.push(kinds.shift()!);
      }
    }
    const medians = Object.values(times).map(
      (each) => each.toSorted((a, b) => a - b)[Math.floor(each.length / 2)]!,
    );
    return Math.max(...medians) / Math.min(...medians);
  };

  it(`P11 takes the same median time for wrong padding, wrong JSON and a wrong app${often(RUNS)}`, async () => {
    await spreadOf(30); // warm-up
    expect(await spreadOf(RUNS)).toBeLessThan(isFull ? 1.1 : 1.5);
  });
});

describe('the failure budget of decryption', () => {
  const GUESSES = 50;
  let wechat: WechatSandbox;
  let app: TeamApp;
  let user: SandboxUser;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    app = await startTeamApp(optionsFor(wechat));
  });
  beforeEach(() => {
    user = wechat.users.create({ phoneNumber: '13580006666' });
  });
  afterAll(async () => {
    await closeTeamApps();
    await wechat.close();
  });

  const login = async (): Promise<WechatSession> =>
    (await app.get(SessionService).login((await user.login()).code)).session;
  const wrong = async (): Promise<EncryptedData> => ({
    ...(await user.getPhoneNumber()),
    iv: 'AAAAAAAAAAAAAAAAAAAAAA==',
  });
  type Decrypt = (session: WechatSession, data: EncryptedData) => Promise<unknown>;
  const decrypt: Decrypt = (session, data) => app.get(CryptoService).decryptOpenData(session, data);
  const outcome = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'ok',
      ({ code }: { code: string }) => code,
    );
  /** Counts the guesses that were decrypted, and those that were refused with 429. */
  const tally = (outcomes: string[]) => ({
    tried: outcomes.filter((code) => code === 'ERR_WECHAT_DECRYPT').length,
    limited: outcomes.filter((code) => code === 'ERR_WECHAT_RATE_LIMIT').length,
  });
  const inFiveSessions = async (guess: Decrypt) => {
    const outcomes = [];
    for (let i = 0; i < 5; i++) {
      const session = await login();
      const data = await wrong();
      for (let j = 0; j < GUESSES / 5; j++) outcomes.push(await outcome(guess(session, data)));
    }
    return tally(outcomes);
  };
  const inParallel = async (guess: Decrypt) => {
    const session = await login();
    const data = await wrong();
    return tally(
      await Promise.all(Array.from({ length: GUESSES }, () => outcome(guess(session, data)))),
    );
  };
  /** A naive budget: checks the number of failures, decrypts, and counts the failure afterwards. */
  const naiveDecrypt = (keyOf: (session: WechatSession) => string): Decrypt => {
    const failures = new Map<string, number>();
    return async (session, { iv, encryptedData }) => {
      const key = keyOf(session);
      if ((failures.get(key) ?? 0) >= 10) throw new WechatRateLimitError(600);
      try {
        await Promise.resolve(); // reading the session_key from the store
        const { appId, openid } = session;
        const checks = { appId, openid, sessionKey: user.sessionKey(), now };
        return decryptOpenData({ ...checks, iv, encryptedData });
      } catch (error) {
        failures.set(key, (failures.get(key) ?? 0) + 1);
        throw error;
      }
    };
  };

  it('P11 is ten for a user in an app, whatever number of sessions the user opens', async () => {
    expect(await inFiveSessions(decrypt)).toEqual({ tried: 10, limited: 40 });
    const limited = decrypt(await login(), await user.getPhoneNumber());
    expect(await outcome(limited)).toBe('ERR_WECHAT_RATE_LIMIT');
    wechat.clock.advance('10m');
    expect(await outcome(decrypt(await login(), await user.getPhoneNumber()))).toBe('ok');
  });

  it('P11 is ten under 50 parallel requests', async () => {
    expect(await inParallel(decrypt)).toEqual({ tried: 10, limited: 40 });
  });

  it('P11 control: a budget for each session allows 50 guesses with five sessions', async () => {
    expect(await inFiveSessions(naiveDecrypt(({ id }) => id))).toEqual({ tried: 50, limited: 0 });
  });

  it('P11 control: a budget that counts after the attempt allows 50 parallel guesses', async () => {
    expect(await inParallel(naiveDecrypt(({ openid }) => openid))).toEqual({
      tried: 50,
      limited: 0,
    });
  });

  it('P11 is not used up by parallel requests with valid data', async () => {
    const session = await login();
    const good = await user.getPhoneNumber();
    const outcomes = await Promise.all(
      Array.from({ length: GUESSES }, () => outcome(decrypt(session, good))),
    );
    expect(outcomes.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(10);
    for (let i = 0; i < GUESSES; i++) expect(await outcome(decrypt(session, good))).toBe('ok');
  });

  it('P11 does not grow when an attempt ends in the next window', async () => {
    const session = await login();
    const good = await user.getPhoneNumber();
    await decrypt(session, good); // opens the window
    wechat.clock.advance(10 * 60_000 - 500);
    const late = await user.getPhoneNumber();
    const read = jest.spyOn(app.get(WechatStore), 'get').mockImplementationOnce((key) => {
      wechat.clock.advance('1s'); // the window ends while the session_key is read
      return app.get(WechatStore).get(key);
    });
    await Promise.all(Array.from({ length: 10 }, () => decrypt(session, late)));
    read.mockRestore();
    expect(await inParallel(decrypt)).toEqual({ tried: 10, limited: 40 });
  });

  it('P11 is separate for each user', async () => {
    await inParallel(decrypt);
    user = wechat.users.create({ phoneNumber: '13580007777' });
    expect(await outcome(decrypt(await login(), await user.getPhoneNumber()))).toBe('ok');
  });
});

describe('modified open data', () => {
  let wechat: WechatSandbox;
  let user: SandboxUser;

  beforeAll(async () => {
    wechat = await startWechatSandbox();
    user = wechat.users.create({ phoneNumber: '13580006666', nickName: '小明' });
  });
  afterAll(() => wechat.close());

  const open = (data: EncryptedData): Record<string, unknown> | undefined => {
    const checks = {
      appId: wechat.apps[0]!.appId,
      openid: user.openid(),
      now: wechat.clock.now(),
      maxAge: 600_000,
    };
    try {
      return decryptOpenData({ ...data, ...checks, sessionKey: user.sessionKey() });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_WECHAT_DECRYPT' });
      return undefined;
    }
  };
  const flipped = (base64: string): string[] => {
    const bytes = Buffer.from(base64, 'base64');
    return Array.from({ length: bytes.length * 8 }, (_, bit) => {
      const copy = Buffer.from(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      return copy.toString('base64');
    });
  };

  it('P12 B-iv B-encryptedData is never another user or another phone number: each bit of the IV and of the data flipped', async () => {
    const [info, phone] = [await user.getUserInfo(), await user.getPhoneNumber()];
    const [openId, phoneNumber] = [open(info)?.['openId'], open(phone)?.['phoneNumber']];
    expect([openId, phoneNumber]).toEqual([user.openid(), '13580006666']);
    for (const { iv, encryptedData } of [info, phone]) {
      const touched = [
        ...flipped(iv).map((each) => ({ iv: each, encryptedData })),
        ...flipped(encryptedData).map((each) => ({ iv, encryptedData: each })),
      ];
      for (const data of touched.map(open).filter((each) => each !== undefined)) {
        expect([openId, undefined]).toContain(data['openId']);
        expect([phoneNumber, undefined]).toContain(data['phoneNumber']);
        expect('openId' in data || 'phoneNumber' in data).toBe(true);
      }
    }
  });

  it('P12 B-encryptedData is refused with its blocks swapped, doubled or cut off', async () => {
    const { iv, encryptedData } = await user.getUserInfo();
    const blocks = Buffer.from(encryptedData, 'base64').toString('hex').match(/.{32}/g)!;
    const others = blocks.flatMap((block, i) => [
      blocks.toSpliced(i, 1),
      blocks.toSpliced(i, 0, block),
      blocks.toSpliced(i, 1, blocks[(i + 1) % blocks.length]!),
      blocks.slice(0, i),
    ]);
    for (const each of others) {
      const data = open({
        iv,
        encryptedData: Buffer.from(each.join(''), 'hex').toString('base64'),
      });
      expect(data === undefined || data['openId'] === user.openid()).toBe(true);
    }
  });
});
