import type { Action } from '../../../tools/capacity/figures.js';
import { mp3 } from '../../support/audio.js';
import { BOUNDARY, file, multipart } from '../../support/multipart.js';
import type { Child } from '../child.js';
import { bodyWith } from '../reference-app.js';

/** Logins at a time, before the measurement. */
const AT_ONCE = 16;
/** Milliseconds of a recording of about 300 kB. */
const RECORDING_MS = 75_000;
const RECORDING = multipart([file(mp3(RECORDING_MS))]);

/** An action of a person. Its login has a code. */
export interface Step {
  action: Action;
  person: number;
  code?: string;
}

/** The users of the app, each with a session. */
export class People {
  private readonly tokens: string[] = [];
  /** The sandbox runs one task after the other. */
  private atWechat: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly url: string,
    private readonly wechat: Child,
  ) {}

  get count(): number {
    return this.tokens.length;
  }

  /** Adds users who log in for the first time. */
  async add(count: number): Promise<void> {
    await this.ask('addPeople', count);
    const first = this.count;
    for (let at = first; at < first + count; at += AT_ONCE) {
      const persons = Array.from(
        { length: Math.min(AT_ONCE, first + count - at) },
        (_, i) => at + i,
      );
      const codes = await this.codesOf(persons);
      await Promise.all(persons.map((person, i) => this.login(person, codes[i]!)));
    }
  }

  /** Codes for logins. Each works once. */
  codesOf(persons: number[]): Promise<string[]> {
    return this.ask('codesOf', persons);
  }

  async run({ action, person, code = '' }: Step): Promise<void> {
    if (action === 'request') await this.call(person, 'GET', '/me');
    else if (action === 'login') await this.login(person, code);
    else if (action === 'upload') await this.upload(person);
    else await this.order(person);
  }

  private async login(person: number, code: string): Promise<void> {
    const response = await fetch(`${this.url}/auth/login`, { method: 'POST', ...bodyWith(code) });
    const { data } = await bodyOf<{ session_rd: string }>(response);
    this.tokens[person] = data.session_rd;
  }

  private upload(person: number): Promise<unknown> {
    const type = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
    return this.call(person, 'POST', '/recordings', RECORDING, type);
  }

  private async order(person: number): Promise<void> {
    const json = { 'content-type': 'application/json' };
    const latte = JSON.stringify({ productId: 'latte', quantity: 1 });
    const { id } = await this.call<{ id: string }>(person, 'POST', '/orders', latte, json);
    const parameters = await this.call(person, 'POST', `/orders/${id}/pay`);
    await this.ask('pay', { person, parameters });
  }

  private async call<T>(
    person: number,
    method: string,
    path: string,
    body?: RequestInit['body'],
    headers: Record<string, string> = {},
  ): Promise<T> {
    const authorization = `Bearer ${this.tokens[person]}`;
    const response = await fetch(this.url + path, {
      method,
      headers: { ...headers, authorization },
      ...(body !== undefined && { body }),
    });
    return (await bodyOf<T>(response)).data;
  }

  private ask<T>(task: string, input: unknown): Promise<T> {
    const answer = this.atWechat.then(() => this.wechat.ask<T>(task, input));
    this.atWechat = answer.catch(() => {});
    return answer;
  }
}

async function bodyOf<T>(response: Response): Promise<{ data: T }> {
  if (response.ok) return (await response.json()) as { data: T };
  throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
}
