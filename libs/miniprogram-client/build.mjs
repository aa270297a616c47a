// Creates dist/index.js with all of src in one file, because each further file needs a require() and names that a minifier cannot
// shorten. swc joins the modules, and TypeScript compiles them to ES5, because swc would add helpers.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '@swc/core';
import ts from 'typescript';

const here = import.meta.dirname;
const out = process.argv[2] ?? join(here, 'dist');

const { index: joined } = await bundle({
  entry: { index: join(here, 'src/index.ts') },
  output: { name: 'index.js', path: out },
  module: {},
  options: { swcrc: false, jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } },
});
const { ES5 } = ts.ScriptTarget;
const { CommonJS } = ts.ModuleKind;
const { outputText } = ts.transpileModule(joined.code, {
  compilerOptions: { target: ES5, module: CommonJS, ignoreDeprecations: '6.0' },
});

mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'index.js'), outputText);
