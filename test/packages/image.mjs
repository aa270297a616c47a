// Runs the steps of the Dockerfile without Docker: the build (without the files of .dockerignore), the dependencies, the command and the health check.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { freshFolder, root, run, say } from './shell.mjs';

const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
const commands = [...dockerfile.matchAll(/^(?:CMD|\s+CMD) (\[.*\])$/gm)].map(([, command]) =>
  JSON.parse(command),
);

export async function checkImage() {
  const [healthcheck, command] = commands;
  const image = await assemble();
  const port = await freePort();
  const environment = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    PORT: String(port),
    JWT_SECRET: 'x'.repeat(44),
    WECHAT_MINI_APP_ID: 'wx0000000000000000',
    WECHAT_MINI_APP_SECRET: 'not-a-real-secret',
  };
  const app = spawn(command[0], command.slice(1), {
    cwd: image,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(app, 'exit');
  await healthy(image, healthcheck, environment, ended);
  app.kill('SIGTERM');
  const [code] = await ended;
  if (code !== 0)
    throw new Error(
      `The app exited with ${code} after SIGTERM. It must exit with 0, or compose kills it.`,
    );
  const { packages } = JSON.parse(
    readFileSync(join(image, 'node_modules/.package-lock.json'), 'utf8'),
  );
  say(
    `  the image: built, started by its command, healthy, stopped by SIGTERM; ${Object.keys(packages).length} packages`,
  );
}

/** Builds the three stages. The first stage uses the repository's node_modules, which have the same lockfile, in place of `npm ci`. */
async function assemble() {
  const [context, image] = [freshFolder('context'), freshFolder('image')];
  const files = (await run(root, 'git', 'ls-files', '--cached', '--others', '--exclude-standard'))
    .trim()
    .split('\n');
  const left = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  for (const file of files.filter(
    (name) => existsSync(join(root, name)) && !left.includes(name.split('/')[0]),
  ))
    cpSync(join(root, file), join(context, file));
  symlinkSync(join(root, 'node_modules'), join(context, 'node_modules'));
  await run(context, 'npm', 'run', 'build');

  for (const file of ['package.json', 'package-lock.json'])
    cpSync(join(root, file), join(image, file));
  await run(
    image,
    'npm',
    'ci',
    '--omit=dev',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
  );
  cpSync(join(context, 'dist/apps'), join(image, 'dist/apps'), { recursive: true });
  mkdirSync(join(image, 'var'));
  return image;
}

/** Repeats the health check until it exits with 0 or the start period is over, as Docker does. */
async function healthy(image, [file, ...args], env, ended) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const check = spawn(file, args, { cwd: image, env });
    const [code] = await Promise.race([once(check, 'exit'), ended.then(() => ['app ended'])]);
    if (code === 0) return;
    if (code === 'app ended') break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('The app did not become healthy.');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
