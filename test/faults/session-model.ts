// oxlint-disable jest/no-standalone-expect -- the commands of a model are the body of a test
import fc from 'fast-check';
import type { AsyncCommand } from 'fast-check';
import type { SessionService, WechatSession } from 'nestjs-wechat';
import { openidOf } from './bare.js';
import type { MapStore } from './bare.js';

const TTL = 30_000;
const MAX_AGE = 50_000;
const GRACE = 5_000;
const MAX_PER_USER = 3;
export const RULES = { ttl: TTL, maxAge: MAX_AGE, refreshGrace: GRACE, maxPerUser: MAX_PER_USER };
const USERS = ['alice', 'bob'];

/** A session as the contract describes it, independent of its storage. */
interface Login {
  user: string;
  /** All of its `session_rd`, the newest last. */
  tokens: string[];
  /** The request id of the refresh that made the newest token. */
  requestId?: string | undefined;
  expiresAt: number;
  loginExpiresAt: number;
  graceUntil: number;
  ended: boolean;
  session: WechatSession;
}

/** The rules of the contract. */
export class Model {
  now = 0;
  readonly logins: Login[] = [];

  all(): { login: Login; token: string }[] {
    return this.logins.flatMap((login) => login.tokens.map((token) => ({ login, token })));
  }
  lives({ ended, expiresAt }: Login): boolean {
    return !ended && this.now < expiresAt;
  }
  live(user: string): Login[] {
    return this.logins.filter((login) => login.user === user && this.lives(login));
  }
  /** Whether a token is accepted: the current one, or the previous one within its grace time. */
  admits(login: Login, token: string): boolean {
    const age = login.tokens.length - 1 - login.tokens.indexOf(token);
    return this.lives(login) && (age === 0 || (age === 1 && this.now < login.graceUntil));
  }
  /** Whether a refresh with this token shows that it was copied. Detected until the session would have reached its maximum age. */
  isReuse(login: Login, token: string, requestId: string | undefined): boolean {
    const isCurrent = login.tokens.at(-1) === token;
    const isPrevious = login.tokens.at(-2) === token && this.now < login.graceUntil;
    return !isCurrent && !(isPrevious && login.requestId === requestId);
  }
}

/** Two instances on one store. Each command uses one of them. */
export interface Real {
  store: MapStore;
  instances: SessionService[];
  codes: number;
}

type Command = AsyncCommand<Model, Real>;
const SESSION_ERROR = { code: 'ERR_WECHAT_SESSION' };

/** A command on any token that was ever issued. */
abstract class TokenCommand implements Command {
  constructor(
    protected readonly which: number,
    protected readonly at: number,
  ) {}
  check(model: Model): boolean {
    return model.logins.length > 0;
  }
  async run(model: Model, { instances }: Real): Promise<void> {
    const all = model.all();
    const { login, token } = all.at(-1 - (this.which % all.length))!;
    await this.act(model, login, token, instances[this.at]!);
  }
  protected abstract act(
    model: Model,
    login: Login,
    token: string,
    sessions: SessionService,
  ): Promise<void>;
  toString(): string {
    return `${this.constructor.name}(${this.which}, ${this.at})`;
  }
}

class Find extends TokenCommand {
  protected async act(
    model: Model,
    login: Login,
    token: string,
    sessions: SessionService,
  ): Promise<void> {
    const found = sessions.find(token);
    if (!model.admits(login, token)) return expect(found).rejects.toMatchObject(SESSION_ERROR);
    expect(await found).toMatchObject({ openid: openidOf(login.user), id: login.session.id });
  }
}

class Refresh extends TokenCommand {
  protected async act(
    model: Model,
    login: Login,
    token: string,
    sessions: SessionService,
  ): Promise<void> {
    const requestId = [undefined, 'one', 'two'][this.which % 3];
    const refreshed = sessions.refresh(token, { requestId });
    const isReuse = model.isReuse(login, token, requestId);
    if (isReuse || !model.admits(login, token)) {
      await expect(refreshed).rejects.toMatchObject(SESSION_ERROR);
      login.ended ||= isReuse;
      return;
    }
    const { session_rd, session, expiresIn } = await refreshed;
    expect(session).toMatchObject({ openid: openidOf(login.user), id: login.session.id });
    if (token === login.tokens.at(-1)) {
      expect(login.tokens).not.toContain(session_rd);
      login.tokens.push(session_rd);
      login.requestId = requestId;
      login.graceUntil = model.now + GRACE;
      login.expiresAt = Math.min(model.now + TTL, login.loginExpiresAt);
    }
    expect(session_rd).toBe(login.tokens.at(-1));
    expect(expiresIn).toBe(Math.round((login.expiresAt - model.now) / 1000));
  }
}

class End extends TokenCommand {
  protected async act(
    _model: Model,
    login: Login,
    token: string,
    sessions: SessionService,
  ): Promise<void> {
    await sessions.revoke(token);
    login.ended = true;
  }
}

class EndAll extends TokenCommand {
  protected async act(
    model: Model,
    login: Login,
    _token: string,
    sessions: SessionService,
  ): Promise<void> {
    const live = model.live(login.user);
    expect(await sessions.revokeAll(login.session)).toBe(live.length);
    for (const each of live) each.ended = true;
  }
}

class EndById extends TokenCommand {
  protected async act(
    model: Model,
    login: Login,
    _token: string,
    sessions: SessionService,
  ): Promise<void> {
    const ended = sessions.revokeById(login.session, login.session.id);
    if (model.lives(login)) await ended;
    else await expect(ended).rejects.toMatchObject(SESSION_ERROR);
    login.ended = true;
  }
}

class List extends TokenCommand {
  protected async act(
    model: Model,
    login: Login,
    _token: string,
    sessions: SessionService,
  ): Promise<void> {
    const listed = (await sessions.list(login.session)).map(({ id }) => id);
    expect(listed).toEqual(model.live(login.user).map(({ session }) => session.id));
  }
}

class LogIn implements Command {
  constructor(
    private readonly user: string,
    private readonly at: number,
    private readonly replaces?: number,
  ) {}
  check(): boolean {
    return true;
  }
  async run(model: Model, real: Real): Promise<void> {
    const all = model.all();
    const replaced =
      this.replaces === undefined || all.length === 0
        ? undefined
        : all.at(-1 - (this.replaces % all.length))!;
    const code = `${this.user}-${++real.codes}`;
    const { session_rd, session } = await real.instances[this.at]!.login(code, {
      replaces: replaced?.token,
    });
    expect(all.map(({ token }) => token)).not.toContain(session_rd);
    for (const oldest of model.live(this.user).slice(0, -(MAX_PER_USER - 1))) oldest.ended = true;
    if (replaced) replaced.login.ended = true;
    const times = {
      expiresAt: model.now + TTL,
      loginExpiresAt: model.now + MAX_AGE,
      graceUntil: 0,
    };
    model.logins.push({ user: this.user, tokens: [session_rd], ...times, ended: false, session });
  }
  toString(): string {
    return `LogIn(${this.user}, ${this.at}, ${this.replaces})`;
  }
}

class Wait implements Command {
  constructor(private readonly ms: number) {}
  check(): boolean {
    return true;
  }
  async run(model: Model, { store }: Real): Promise<void> {
    store.advance(this.ms);
    model.now += this.ms;
  }
  toString(): string {
    return `Wait(${this.ms})`;
  }
}

/** Picks newer tokens more often, because most rules concern recent tokens. */
const which = fc.oneof(fc.nat(3), fc.nat(30));
const at = fc.nat(1);
const waits = fc.oneof(
  fc.constantFrom(1, GRACE - 1, GRACE, GRACE),
  fc.constantFrom(TTL - GRACE, TTL - 1, TTL, MAX_AGE),
  fc.nat(TTL),
);
/** Histories of two users on two instances. */
export const histories = fc.commands(
  [
    fc
      .tuple(fc.constantFrom(...USERS), at, fc.option(which, { nil: undefined, freq: 3 }))
      .map((args) => new LogIn(...args)),
    ...[Find, Find, Refresh, Refresh, Refresh, Refresh, End, EndAll, EndById, List].map((Type) =>
      fc.tuple(which, at).map((args) => new Type(...args)),
    ),
    ...[waits, waits].map((wait) => wait.map((ms) => new Wait(ms))),
  ],
  { maxCommands: 60, size: 'max' },
);
