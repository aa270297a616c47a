import { parseXml } from '@rgrove/parse-xml';
import { createDecipheriv, hash } from 'node:crypto';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePushService, WechatModule } from 'nestjs-wechat';
import { PUSH, securePush, SHAPES } from '../support/push-messages.js';
import type { Format, PushMessage } from '../support/push-messages.js';
import { rotated } from './bench.js';
import { APP } from './library.js';

const WAYS = ['oursJson', 'oursXml', 'bareJson', 'bareXml', 'forged'] as const;

/** Microseconds of CPU time for one push. */
export type PushTimes = Record<(typeof WAYS)[number], number>;

/** One encrypted push opened by the library and by hand, in both formats, and a forged one refused. */
export async function timesOfPushes({
  rounds,
  times,
}: {
  rounds: number;
  times: number;
}): Promise<PushTimes[]> {
  const push = { token: PUSH.token, aesKeys: [PUSH.aesKey] };
  @Module({ imports: [WechatModule.forRoot({ apps: [{ ...APP, push }], push: { path: false } })] })
  class PushModule {}
  const app = await NestFactory.createApplicationContext(PushModule, { logger: false });
  const ways = waysToOpen(app.get(MessagePushService));
  for (const way of WAYS) await microsecondsOf(ways[way], times); // warm-up
  const measured: PushTimes[] = [];
  for (let round = 0; round < rounds; round++) {
    const found: Partial<PushTimes> = {};
    for (const way of rotated([...WAYS], round))
      found[way] = await microsecondsOf(ways[way], times);
    measured.push(found as PushTimes);
  }
  await app.close();
  return measured;
}

function waysToOpen(service: MessagePushService): Record<keyof PushTimes, () => unknown> {
  const { json, xml } = SHAPES.find(({ name }) => name === 'test event of the console')!;
  const [inJson, inXml] = [
    securePush(json, { appId: APP.appId }),
    securePush(xml, { format: 'xml', appId: APP.appId }),
  ];
  const query = { ...inJson.query, msg_signature: '0'.repeat(40) };
  return {
    oursJson: () => service.open(inJson),
    oursXml: () => service.open(inXml),
    bareJson: openByHand(inJson, 'json'),
    bareXml: openByHand(inXml, 'xml'),
    forged: async () => {
      const { status } = await service.handle({ ...inJson, query });
      if (status !== 403) throw new Error(`a forged push is ${status}`);
    },
  };
}

/** The floor: nothing but the signature, the cipher and the parser. */
function openByHand({ query, body }: PushMessage, format: Format): () => unknown {
  const key = Buffer.from(PUSH.aesKey, 'base64');
  const iv = key.subarray(0, 16);
  const encryptedIn = (text: string): string =>
    format === 'json'
      ? (JSON.parse(text) as { Encrypt: string }).Encrypt
      : /<Encrypt><!\[CDATA\[(.*?)]]>/.exec(text)![1]!;
  return () => {
    const encrypted = encryptedIn(body.toString());
    const signed = [PUSH.token, query['timestamp']!, query['nonce']!, encrypted].toSorted();
    if (hash('sha1', signed.join('')) !== query['msg_signature']) throw new Error('not signed');
    const decipher = createDecipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
    const frame = Buffer.concat([decipher.update(encrypted, 'base64'), decipher.final()]);
    const text = frame.toString('utf8', 20, 20 + frame.readUInt32BE(16));
    return format === 'json' ? (JSON.parse(text) as unknown) : parseXml(text);
  };
}

async function microsecondsOf(run: () => unknown, times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}
