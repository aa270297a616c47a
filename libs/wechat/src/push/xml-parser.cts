import type * as ParseXml from '@rgrove/parse-xml';

/**
 * Loads the parser. The extension .cts makes this file CommonJS in every build: only `require` loads a package synchronously, and an
 * ES module has no `require`.
 */
export const requireXmlParser = (): typeof ParseXml =>
  require('@rgrove/parse-xml') as typeof ParseXml;
