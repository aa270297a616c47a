// The libraries are published as CommonJS: jest in a Nest 11 project cannot load ES modules, and Nest 12, which is ESM, loads both. Their sources
// are ES modules like the rest of this repository, so the compiled folder has a package.json of its own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const library of ['wechat', 'wechat-sandbox'])
  writeFileSync(join(root, 'libs', library, 'dist/package.json'), '{ "type": "commonjs" }\n');
