import { transformSync } from '@swc/core';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Compiles TypeScript when Node loads it, as ES modules. The fault tests kill real processes, and a build before each run
 * would take longer than the test.
 */
const ROOT = new URL('../../../', import.meta.url);
const { paths } = JSON.parse(readFileSync(new URL('tsconfig.json', ROOT), 'utf8')).compilerOptions;
const SWC = {
  swcrc: false,
  sourceMaps: 'inline',
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'es6' },
};
/** What a .cts file uses of CommonJS. */
const COMMONJS_NAMES = `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const __dirname = import.meta.dirname;
`;

/** Resolves `nestjs-wechat` to its source, and `./x.js` to `./x.ts`, and `./x.cjs` to `./x.cts`, if that file exists. */
export function resolve(specifier, context, next) {
  if (Object.hasOwn(paths, specifier))
    return next(new URL(paths[specifier][0], ROOT).href, context);
  const source = sourceOf(specifier, context.parentURL);
  return next(source ?? specifier, context);
}

export function load(url, context, next) {
  if (!/\.c?ts$/.test(url)) return next(url, context);
  const filename = fileURLToPath(url);
  const { code } = transformSync(readFileSync(filename, 'utf8'), { ...SWC, filename });
  const source = url.endsWith('.cts') ? COMMONJS_NAMES + code : code;
  return { format: 'module', source, shortCircuit: true };
}

function sourceOf(specifier, parentURL) {
  if (!/^\..*\.c?js$/.test(specifier) || !parentURL?.endsWith('.ts')) return undefined;
  const file = fileURLToPath(new URL(specifier, parentURL)).replace(/js$/, 'ts');
  return existsSync(file) ? pathToFileURL(file).href : undefined;
}
