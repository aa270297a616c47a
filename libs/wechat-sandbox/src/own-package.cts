// The sources are compiled to ES modules (in this repository) and to CommonJS (in the published package). `import.meta` exists only in
// the first and `__dirname` only in the second. The extension .cts makes this file CommonJS in both.

/** The folder of the sources, or of the compiled files. */
export const folder: string = __dirname;

/** Loads and finds packages that the sandbox depends on. */
export const requirePackage: NodeJS.Require = require;
