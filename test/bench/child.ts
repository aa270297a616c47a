import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pin } from './machine.js';
import type { Place } from './machine.js';

interface ChildOptions {
  args?: unknown[];
  execArgv?: string[];
  /** @default wherever the machine likes */
  place?: Place;
}

type Reply = { value: unknown } | { error: string };

/** A process of its own that answers one question after the other. What is measured never shares a heap or a JIT with us. */
export class Child {
  private constructor(private readonly process: ChildProcess) {}

  /** @param program a module beside this one, which calls `answerQuestions` */
  static start(program: string, { args = [], execArgv = [], place }: ChildOptions = {}): Child {
    const file = fileURLToPath(new URL(`./${program}.js`, import.meta.url));
    const words = args.map((one) => JSON.stringify(one));
    const child = fork(file, words, { execArgv, env: { ...process.env, NODE_ENV: 'production' } });
    if (place) pin(child.pid!, place);
    return new Child(child);
  }

  async ask<T>(name: string, input?: unknown): Promise<T> {
    this.process.send({ name, input });
    const reply = await this.nextReply();
    if ('error' in reply) throw new Error(reply.error);
    return reply.value as T;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  /** A process that ends instead of answering is an answer, too; waiting for it for ever would hide it. */
  private async nextReply(): Promise<Reply> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const ended = once(this.process, 'exit', { signal }).then(([code, by]): Reply[] => [
      { error: `The process ended early: ${code ?? by}` },
    ]);
    const answered = once(this.process, 'message', { signal }) as Promise<Reply[]>;
    try {
      return (await Promise.race([answered, ended]))[0]!;
    } finally {
      void Promise.allSettled([answered, ended]);
      waiting.abort();
    }
  }
}

/** The other end: what the process can be asked. */
export function answerQuestions(answers: Record<string, (input: never) => unknown>): void {
  const reply = async ({ name, input }: { name: string; input: unknown }): Promise<Reply> => {
    try {
      return { value: await answers[name]?.(input as never) };
    } catch (error) {
      return { error: `${name}: ${error instanceof Error ? error.stack : String(error)}` };
    }
  };
  process.once('disconnect', () => process.exit()); // a benchmark that failed leaves nobody behind
  process.on(
    'message',
    (question: { name: string; input: unknown }) =>
      void reply(question).then((value) => process.send?.(value)),
  );
}
