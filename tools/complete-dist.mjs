// Adds to the compiled libraries what tsc does not write.
// - They are published as CommonJS: jest in a Nest 11 project cannot load ES modules, and Nest 12, which is ESM, loads both. Their sources are ES
//   modules like the rest of this repository, so the compiled folder has a package.json of its own.
// - `nest add` reads the description, the options and the templates of the schematic.
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const libs = join(import.meta.dirname, '../libs');
for (const library of ['wechat', 'wechat-sandbox'])
  writeFileSync(join(libs, library, 'dist/package.json'), '{ "type": "commonjs" }\n');

for (const file of ['collection.json', 'nest-add/schema.json', 'nest-add/files'])
  cpSync(join(libs, 'wechat/src/schematics', file), join(libs, 'wechat/dist/schematics', file), {
    recursive: true,
  });
