import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyReply } from 'fastify';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Everything the page is made of comes from here; it asks no other machine for anything. */
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
].join('; ');

/**
 * The page's own files are plain modules that no compiler touches. They lie beside this file, or, once it is compiled, in the sources of
 * the package or of the repository around it.
 */
const PAGE = ['page', 'src/simulator/page', 'libs/wechat-sandbox/src/simulator/page'];
const FILE = /^[\w-]+\.(html|css|js|svg)$/;
const VENDOR_FILE = /^(directives\/)?[\w-]+\.js$/;

/** Sends a file of the page; 404 for anything else. */
export function sendPageFile(reply: FastifyReply, name: string): Promise<FastifyReply> {
  return send(reply, FILE.test(name) && join(pageFolder(), name));
}

/** Sends a file of lit-html, which the browser loads as it is published. */
export function sendVendorFile(reply: FastifyReply, name: string): Promise<FastifyReply> {
  return send(reply, VENDOR_FILE.test(name) && join(litFolder(), name));
}

async function send(reply: FastifyReply, path: string | false): Promise<FastifyReply> {
  if (!path || !existsSync(path))
    return reply.code(404).type('text/plain').send('There is no such file.');
  return reply
    .headers({
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    })
    .type(TYPES[extname(path)] ?? 'application/octet-stream')
    .send(await readFile(path));
}

function pageFolder(): string {
  const found = ancestors(dirname(fileURLToPath(import.meta.url)))
    .flatMap((folder) => PAGE.map((page) => join(folder, page)))
    .find((folder) => existsSync(join(folder, 'index.html')));
  if (found) return found;
  throw new Error('The files of the simulator page are missing from this installation.');
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

/** Where Node finds its own build of lit-html, one or two folders above which the browser's lies. */
function litFolder(): string {
  const entry = createRequire(import.meta.url).resolve('lit-html');
  return (
    ancestors(dirname(entry)).find((folder) => existsSync(join(folder, 'package.json'))) ??
    dirname(entry)
  );
}
