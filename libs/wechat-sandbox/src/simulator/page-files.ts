import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import type { FastifyReply } from 'fastify';
import { folder as sources, requirePackage } from '../own-package.cjs';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page loads everything from the sandbox, and calls no other host. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  'media-src blob:',
  "connect-src 'self'",
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'self'",
  "require-trusted-types-for 'script'",
  'trusted-types lit-html',
].join('; ');

/**
 * The page consists of plain JavaScript modules that are not compiled. They are beside this file or, when it is compiled, in the sources
 * of the package or of the repository around it.
 */
const PAGE = ['page', 'src/simulator/page', 'libs/wechat-sandbox/src/simulator/page'];
const FILE = /^[\w-]+\.(html|css|js|svg)$/;
const VENDOR_FILE = /^(directives\/)?[\w-]+\.js$/;

/** Sends the page with the token that its own requests carry. */
export async function sendIndex(reply: FastifyReply, token: string): Promise<FastifyReply> {
  const html = await readFile(join(pageFolder(), 'index.html'), 'utf8');
  return reply
    .headers({ 'content-security-policy': POLICY, 'cache-control': 'no-store' })
    .type(TYPES['.html'] ?? '')
    .send(html.replace('{token}', token));
}

/** Sends a file of the page. Any other name is 404. */
export function sendPageFile(reply: FastifyReply, name: string): Promise<FastifyReply> {
  return send(reply, FILE.test(name) && join(pageFolder(), name));
}

/** Sends a file of lit-html as it is published. */
export function sendVendorFile(reply: FastifyReply, name: string): Promise<FastifyReply> {
  return send(reply, VENDOR_FILE.test(name) && join(litFolder(), name));
}

async function send(reply: FastifyReply, path: string | false): Promise<FastifyReply> {
  if (!path || !existsSync(path))
    return reply.code(404).type('text/plain').send('There is no such file.');
  return reply
    .headers({ 'content-security-policy': POLICY, 'cache-control': 'no-cache' })
    .type(TYPES[extname(path)] ?? 'application/octet-stream')
    .send(await readFile(path));
}

function pageFolder(): string {
  const found = ancestors(join(sources, 'simulator'))
    .flatMap((folder) => PAGE.map((page) => join(folder, page)))
    .find((folder) => existsSync(join(folder, 'index.html')));
  if (found) return found;
  throw new Error('The files of the simulator page are missing from this installation.');
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

/** Returns the folder of the package lit-html. Node resolves to a build in a folder below it. */
function litFolder(): string {
  const entry = requirePackage.resolve('lit-html');
  return (
    ancestors(dirname(entry)).find((folder) => existsSync(join(folder, 'package.json'))) ??
    dirname(entry)
  );
}
