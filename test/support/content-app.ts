import { SchedulerRegistry } from '@nestjs/schedule';
import { CONTENT_JOB, MediaChecks } from '../../apps/sample/src/content/media-checks.js';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { DataSource } from 'typeorm';
import type { AppResponse } from './http.js';
import { file, uploadTo } from './multipart.js';
import { person } from './people.js';
import type { Person } from './people.js';
import { start } from './start.js';
import type { Started, StartOptions } from './start.js';

/** The reference app whose content WeChat checks. The test runs the job. */
export interface ContentApp extends Started {
  /** Asks WeChat about everything that is due. */
  ask: () => Promise<void>;
  /** Moves the time, and lets WeChat and the job do what is due. */
  pass: (duration: string) => Promise<void>;
  /** @default a new user */
  author: (user?: SandboxUser) => Promise<Author>;
  /** How many times WeChat was asked to check a file. */
  asked: () => number;
  /** The trace id of the newest check. */
  lastTraceId: () => Promise<string>;
}

/** A user who publishes content. */
export interface Author extends Person {
  get: (path: string) => Promise<AppResponse>;
  upload: (route: string, content: Buffer) => Promise<AppResponse>;
  /** The status of the newest content of a kind. */
  statusOf: (kind: string) => Promise<string | undefined>;
}

/** Long sessions, because the stories move the clock. */
const SESSIONS = { WECHAT_SESSION_TTL: '60d', WECHAT_SESSION_MAX_AGE: '90d' };

export async function startContentApp(options: StartOptions = {}): Promise<ContentApp> {
  const started = await start({ push: true, ...options, env: { ...SESSIONS, ...options.env } });
  const { app, wechat, call, url } = started;
  const job = app.get(MediaChecks);
  app.get(SchedulerRegistry).deleteInterval(CONTENT_JOB);
  return {
    ...started,
    ask: () => job.run(),
    pass: async (duration) => {
      wechat.clock.advance(duration);
      await wechat.settle();
      await job.run();
    },
    author: async (who) => {
      const user = await person(started, who);
      const get = (path: string) => call(`GET ${path}`, { token: user.session_rd });
      return {
        ...user,
        get,
        upload: (route, content) => uploadTo(url)(route, user.session_rd, [file(content)]),
        statusOf: async (kind) =>
          (await get('/me/content')).body.data.find((one: { kind: string }) => one.kind === kind)
            ?.status,
      };
    },
    asked: () => wechat.requestsTo('/wxa/media_check_async').length,
    lastTraceId: async () => {
      const [check] = await app
        .get(DataSource)
        .query<{ id: string }[]>(
          'SELECT trace_id AS id FROM content_checks ORDER BY created_at DESC LIMIT 1',
        );
      return check?.id ?? '';
    },
  };
}
