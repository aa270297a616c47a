import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pin } from './machine.js';
import type { Place } from './machine.js';

interface ChildOptions {
  args?: unknown[];
  execArgv?: string[];
  /** Added to the environment of this process. */
  env?: Record<string, string>;
  cwd?: string;
  /** `pipe`: a pipe that is not read until `readOutput`. @default inherit */
  stdout?: 'inherit' | 'ignore' | 'pipe';
  /** @default chosen by the operating system */
  place?: Place;
}

type Reply = { value: unknown } | { error: string };

/** A separate process that runs one task after the other, so that measured code shares no heap and no JIT with the benchmark. */
export class Child {
  private constructor(private readonly process: ChildProcess) {}

  /** @param program a module of this folder that calls `serveTasks` */
  static start(
    program: string,
    { args = [], execArgv = [], env = {}, cwd, stdout = 'inherit', place }: ChildOptions = {},
  ): Child {
    const file = fileURLToPath(new URL(`./${program}.js`, import.meta.url));
    const words = args.map((one) => JSON.stringify(one));
    const child = fork(file, words, {
      execArgv,
      cwd,
      env: { ...process.env, NODE_ENV: 'production', ...env },
      stdio: ['inherit', stdout, 'inherit', 'ipc'],
    });
    if (place) pin(child.pid!, place);
    return new Child(child);
  }

  /** Reads the pipe of its output from now on, and discards it. */
  readOutput(): void {
    this.process.stdout?.resume();
  }

  async ask<T>(name: string, input?: unknown): Promise<T> {
    this.process.send({ name, input });
    const reply = await this.nextReply();
    if ('error' in reply) throw new Error(reply.error);
    return reply.value as T;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exited;
  }

  /** Returns the reply, or an error if the process exits first. Otherwise the caller would wait for ever. */
  private async nextReply(): Promise<Reply> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const ended = once(this.process, 'exit', { signal }).then(([code, by]): Reply[] => [
      { error: `The process ended early: ${code ?? by}` },
    ]);
    const received = once(this.process, 'message', { signal }) as Promise<Reply[]>;
    try {
      return (await Promise.race([received, ended]))[0]!;
    } finally {
      void Promise.allSettled([received, ended]);
      waiting.abort();
    }
  }
}

/** Returns the CPU time of all threads of this process in microseconds. */
export function spentCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Runs in the child process: executes the tasks that the parent requests by name. */
export function serveTasks(tasks: Record<string, (input: never) => unknown>): void {
  const reply = async ({ name, input }: { name: string; input: unknown }): Promise<Reply> => {
    try {
      return { value: await tasks[name]?.(input as never) };
    } catch (error) {
      return { error: `${name}: ${error instanceof Error ? error.stack : String(error)}` };
    }
  };
  process.once('disconnect', () => process.exit()); // no child process is left after a failed benchmark
  process.on(
    'message',
    (task: { name: string; input: unknown }) =>
      void reply(task).then((value) => process.send?.(value)),
  );
}
