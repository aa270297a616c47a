import { Body, Controller, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  CurrentSession,
  MessagePushService,
  OnWechatMessage,
  PhoneService,
  SessionGuard,
  SessionService,
} from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { traceRequests } from '../../apps/sample/src/telemetry.js';
import { observe } from '../support/observed.js';
import type { Observed } from '../support/observed.js';
import { plainPush, PUSH } from '../support/push-messages.js';
import { until } from '../support/redis.js';
import { closeTeamApps, optionsFor, startTeamApp } from '../support/team-app.js';
import type { TeamApp } from '../support/team-app.js';
import { traceText, withoutVariableParts } from '../support/trace-text.js';
import { blocksOf, linesOfTables } from './markdown.js';

/*
 * Checks the traces and the table of metrics in docs/observability.md and the names in the dashboard against a run.
 */

const PAGES = ['docs/observability.md', 'docs/zh-CN/observability.md'];
const read = (path: string): string => readFileSync(join(__dirname, '../..', path), 'utf8');

@Controller()
class ShopController {
  constructor(
    @Inject(SessionService) private readonly sessions: SessionService,
    @Inject(PhoneService) private readonly phones: PhoneService,
  ) {}

  @Post('auth/login')
  @HttpCode(200)
  async login(@Body('code') code: string): Promise<{ session_rd: string }> {
    const { session_rd } = await this.sessions.login(code);
    return { session_rd };
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() { openid }: WechatSession): { openid: string } {
    return { openid };
  }

  @OnWechatMessage('text')
  handle(): void {}

  @Post('me/phone')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  phone(@Body('code') code: string, @CurrentSession() { openid }: WechatSession): Promise<object> {
    return this.phones.getByCode(code, { openid });
  }
}

let observed: Observed;
let wechat: WechatSandbox;
let app: TeamApp;
beforeEach(async () => {
  observed = observe();
  wechat = await startWechatSandbox();
  const prepare = (nest: unknown): void => traceRequests(nest as NestFastifyApplication);
  const apps = wechat.apps.map(({ appId, secret, kind }) => ({
    ...{ appId, secret, kind },
    ...(kind === 'mini-program' && { push: { token: PUSH.token } }),
  }));
  app = await startTeamApp(optionsFor(wechat, { apps }), {
    controllers: [ShopController],
    prepare,
  });
});
afterEach(async () => {
  await closeTeamApps();
  await wechat.close();
  await observed.stop();
});

const user = () => wechat.users.create({ phoneNumber: '13580006666' });

/** Sends one request, and gives the spans of its trace. */
async function traced(
  path: string,
  { code, session_rd }: { code?: string; session_rd?: string },
): Promise<string> {
  observed.forget();
  const headers = {
    'content-type': 'application/json',
    ...(session_rd !== undefined && { authorization: `Bearer ${session_rd}` }),
  };
  const response = await app.fetch(
    path,
    code === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify({ code }) },
  );
  await response.text();
  await until(() => observed.spans().some(({ kind }) => kind === SpanKind.SERVER)); // it ends after the response
  return traceText(observed.spans());
}

describe('the traces in the documents', () => {
  it('are the traces of a run', async () => {
    const anna = user();
    wechat.next('/sns/jscode2session', { errcode: -1 });
    const login = await traced('/auth/login', { code: (await anna.login()).code });
    wechat.next('/sns/jscode2session', { errcode: 40226 });
    const blocked = await traced('/auth/login', { code: (await anna.login()).code });
    const { session_rd } = await app.get(SessionService).login((await anna.login()).code);
    const guarded = await traced('/me', { session_rd });
    await app.get(PhoneService).getByCode((await anna.getPhoneNumber()).code);
    wechat.invalidateAccessToken();
    const renewed = await traced('/me/phone', {
      session_rd,
      code: (await anna.getPhoneNumber()).code,
    });
    for (const page of PAGES) {
      const shown = blocksOf(read(page)).flatMap(({ language, code }) =>
        language === 'text' ? [withoutVariableParts(code)] : [],
      );
      expect(shown).toEqual([login, blocked, renewed, guarded].map(withoutVariableParts));
    }
  });
});

/** As a collector and Prometheus itself name metrics that come by OTLP: the unit is spelt out, before any suffix of the type. */
const SPELT_OUT = { ms: 'milliseconds' };

describe('the dashboard', () => {
  interface Panel {
    id: number;
    type: string;
    title: string;
    description?: string;
    datasource?: { uid: string };
    gridPos: { x: number; y: number; w: number; h: number };
    targets?: { refId: string; expr: string; datasource: { uid: string } }[];
  }
  const { panels, templating, ...dashboard } = JSON.parse(
    read('docs/grafana/nestjs-wechat.json'),
  ) as {
    panels: Panel[];
    templating: { list: { name: string; type: string; query: unknown }[] };
    title: string;
    uid: string;
    schemaVersion: number;
  };
  const charts = panels.filter(({ type }) => type !== 'row');
  const queries = charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  /** Uses all that is counted, once well and once badly, and says how Prometheus calls it: from Node directly, and by OTLP. */
  async function namesInPrometheus(): Promise<
    { name: string; direct: string[]; byOtlp: string[] }[]
  > {
    const anna = user();
    wechat.next('/sns/jscode2session', { errcode: -1 });
    const { session_rd } = await app.get(SessionService).login((await anna.login()).code);
    await app.get(SessionService).refresh(session_rd);
    await app.as(session_rd, '/me');
    await app.get(PhoneService).getByCode((await anna.getPhoneNumber()).code);
    await app.get(MessagePushService).handle(plainPush({ MsgType: 'text', MsgId: '1' }));
    const resourceMetrics = await observed.metrics();
    const metrics = resourceMetrics.scopeMetrics
      .filter(({ scope }) => scope.name === 'nestjs-wechat')
      .flatMap((scope) => scope.metrics);
    const text = new PrometheusSerializer().serialize(resourceMetrics);
    return metrics.map(({ descriptor: { name, unit } }) => {
      const plain = name.replaceAll('.', '_');
      const direct = [
        ...new Set([...text.matchAll(new RegExp(`^${plain}\\w*`, 'gm'))].map(([series]) => series)),
      ];
      const spelt = SPELT_OUT[unit as keyof typeof SPELT_OUT];
      return {
        name,
        direct,
        byOtlp: direct.map((series) =>
          spelt ? series.replace(plain, `${plain}_${spelt}`) : series,
        ),
      };
    });
  }

  /** Returns the metric names of a query as patterns: `name{…}` and `{__name__=~"pattern", …}`. */
  const metricsIn = (query: string): RegExp[] =>
    [...query.matchAll(/__name__=~"([^"]+)"|\b(wechat_\w+)(?=\{|\[|,)/g)].map(
      ([, pattern, name]) => new RegExp(`^(?:${pattern ?? name})$`),
    );

  it('queries all metrics of the library and no others, for both ways of export to Prometheus', async () => {
    const counted = await namesInPrometheus();
    expect(counted.map(({ name }) => name).toSorted()).toEqual([
      'wechat.access_token.fetches',
      'wechat.call.duration',
      'wechat.call.retries',
      'wechat.handler.duration',
      'wechat.session.operations',
      'wechat.store.duration',
    ]);
    const patterns = [...queries, ...templating.list.map(({ query }) => JSON.stringify(query))].map(
      metricsIn,
    );
    expect(patterns.slice(0, queries.length).filter((names) => names.length === 0)).toEqual([]);
    for (const way of ['direct', 'byOtlp'] as const) {
      const series = counted.flatMap((metric) => metric[way]);
      expect(
        patterns.flat().filter((pattern) => !series.some((name) => pattern.test(name))),
      ).toEqual([]);
      const forgotten = counted.filter(
        (metric) =>
          !metric[way].some((name) => patterns.flat().some((pattern) => pattern.test(name))),
      );
      expect(forgotten).toEqual([]);
    }
  });

  it('groups by labels that the metrics carry', async () => {
    await namesInPrometheus();
    wechat.next('/sns/jscode2session', { errcode: 40226 });
    await app
      .get(SessionService)
      .login((await user().login()).code)
      .catch(() => undefined);
    const text = new PrometheusSerializer().serialize(await observed.metrics());
    const grouped = queries.flatMap((query) => {
      const [, labels = ''] = /by \(([^)]*)\)/.exec(query) ?? [];
      const names = metricsIn(query);
      const lines = text
        .split('\n')
        .filter((line) => names.some((name) => name.test(line.split('{', 1)[0] ?? '')));
      return labels.split(', ').map((label) => ({
        query,
        label,
        there: lines.some((line) => line.includes(`${label}="`)),
      }));
    });
    expect(grouped.length).toBeGreaterThan(queries.length);
    expect(grouped.filter(({ there }) => !there)).toEqual([]);
  });

  it('is valid for Grafana: ids, positions, titles and its own data source', () => {
    expect(dashboard).toMatchObject({
      title: 'nestjs-wechat',
      uid: 'nestjs-wechat',
      schemaVersion: expect.any(Number),
    });
    expect(templating.list[0]).toMatchObject({
      name: 'datasource',
      type: 'datasource',
      query: 'prometheus',
    });
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(
      charts.filter(({ title, description = '' }) => title === '' || !description.endsWith('.')),
    ).toEqual([]);
    expect(new Set(charts.map(({ title }) => title)).size).toBe(charts.length);
    const sources = charts.flatMap(({ datasource, targets = [] }) => [
      datasource?.uid,
      ...targets.map((target) => target.datasource.uid),
    ]);
    expect(new Set(sources)).toEqual(new Set(['${datasource}']));
    for (const { targets = [] } of charts)
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    const overlap = panels.filter((a) =>
      panels.some((b) => a.id < b.id && overlaps(a.gridPos, b.gridPos)),
    );
    expect([overlap, panels.filter(({ gridPos: { x, w } }) => x + w > 24)]).toEqual([[], []]);
  });

  const overlaps = (a: Panel['gridPos'], b: Panel['gridPos']): boolean =>
    a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

  it.each(PAGES)('has its metrics in the table of %s', async (page) => {
    const rows = linesOfTables(read(page));
    const missing = (await namesInPrometheus()).filter(
      ({ name, byOtlp }) =>
        !rows.some((row) => row.startsWith(`| \`${name}\``) && row.includes(familyOf(byOtlp))),
    );
    expect(missing).toEqual([]);
  });

  const familyOf = ([series = '']: string[]): string => series.replace(/_(bucket|count|sum)$/, '');
});
