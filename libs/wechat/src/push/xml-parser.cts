import type * as ParseXml from '@rgrove/parse-xml';

/**
 * Loads the parser. The extension .cts makes this file CommonJS in every build: only `require` loads a package synchronously, and an
 * ES module has no `require`. A bundler accepts that the package is missing only if `require` is inside of `try`.
 *
 * @returns `undefined` if the parser is not installed
 */
export function requireXmlParser(): typeof ParseXml | undefined {
  try {
    return require('@rgrove/parse-xml') as typeof ParseXml;
  } catch {
    return undefined;
  }
}
