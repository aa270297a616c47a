// The extension .cts makes this file CommonJS in every build: an ES module has no `__dirname`.

const COPIES = Symbol.for('nestjs-wechat:copies');
const copies: Set<string> = ((globalThis as { [COPIES]?: Set<string> })[COPIES] ??= new Set());
const isFirst = copies.size === 0 || copies.has(__dirname);
copies.add(__dirname);
if (!isFirst) process.emitWarning(`nestjs-wechat: ${hintAtCopies()}`);

/**
 * Returns what to do if the process has loaded several copies of this package, else an empty text. Nest finds a service by its
 * class, so the guards of one copy do not find the services that the module of another copy provides.
 */
export function hintAtCopies(): string {
  if (copies.size === 1) return '';
  return `The process has loaded ${copies.size} copies of this package, from ${[...copies].join(' and ')}. Guards and services of one copy do not work with the module of another. Run: npm ls nestjs-wechat, and install one version.`;
}
