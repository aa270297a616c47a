import type { Tree } from '@angular-devkit/schematics';
import { MetadataManager } from '@nestjs/schematics';

const MODULE = 'WechatModule.forRootAsync({ useFactory: () => wechatOptionsFromEnv(process.env) })';
const CONTROLLER = 'WechatAuthController';
/** The import of `Module`, which every module has. It can have several lines. */
const NEST_IMPORT = /^import\s[^;]*?from\s+['"]@nestjs\/common['"];?[ \t]*\r?\n/m;

/**
 * Imports WechatModule and declares the controller in the root module.
 *
 * @internal
 * @throws Error if the file is missing, or not written in a way that can be changed
 */
export function addToModule(tree: Tree, path: string, extension: string): void {
  if (!tree.exists(path))
    throw new Error(
      `${path} does not exist. nest add nestjs-wechat changes the root module of a TypeScript application. In a monorepo, name the application: nest add nestjs-wechat --project NAME`,
    );
  const text = tree.readText(path);
  if (text.includes('WechatModule')) return;
  const imports = [
    `import { WechatModule, wechatOptionsFromEnv } from 'nestjs-wechat';`,
    `import { ${CONTROLLER} } from './auth/wechat-auth.controller${extension}';`,
  ];
  const changed = withMetadata(withMetadata(text, 'imports', MODULE), 'controllers', CONTROLLER);
  if (changed === undefined || !NEST_IMPORT.test(changed))
    throw new Error(
      `The @Module() of ${path} has no literal list of imports or controllers. Add these to it by hand: ${MODULE} to imports, ${CONTROLLER} to controllers.`,
    );
  tree.overwrite(
    path,
    changed.replace(NEST_IMPORT, (line) => `${line}${imports.join('\n')}\n`),
  );
}

/** Returns `undefined` if the list cannot be changed. */
function withMetadata(
  text: string | undefined,
  list: 'imports' | 'controllers',
  entry: string,
): string | undefined {
  const changed = text && new MetadataManager(text).insert(list, entry);
  return changed === text ? undefined : changed;
}
