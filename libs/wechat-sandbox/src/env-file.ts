import { rmSync, writeFileSync } from 'node:fs';

/**
 * Writes variables to a file for `node --env-file` and `process.loadEnvFile()`. Only the owner can read it, because it holds keys.
 * An existing file is replaced, so that its permissions do not stay.
 */
export function writeEnvFile(file: string, variables: Record<string, string>): void {
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}="${value.trimEnd().replaceAll('\n', '\\n')}"\n`,
  );
  rmSync(file, { force: true });
  writeFileSync(file, lines.join(''), { mode: 0o600, flag: 'wx' });
}
