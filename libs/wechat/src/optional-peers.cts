// The extension .cts makes this file CommonJS in every build: an ES module has no `__dirname`.
import { createRequire as requireFrom } from 'node:module';

/** In a bundle no package can be resolved, and the bundler has reported the missing ones. */
const isBundled = !/[\\/]node_modules[\\/]/.test(__dirname);

/**
 * Checks the packages that a sub-path needs, before the sub-path imports them. Node's own error names one of them and no command.
 *
 * @param subPath such as `nestjs-wechat/passport`
 * @throws Error with the command that installs what is missing
 */
export function requirePeers(subPath: string, ...packages: string[]): void {
  const missing = isBundled ? [] : packages.filter((name) => !isInstalled(name));
  if (missing.length > 0)
    throw new Error(
      `${subPath} needs ${missing.join(', ')}. Run: npm install ${missing.join(' ')}`,
    );
}

function isInstalled(name: string): boolean {
  try {
    requireFrom(`${__dirname}/`).resolve(name);
    return true;
  } catch {
    return false;
  }
}
