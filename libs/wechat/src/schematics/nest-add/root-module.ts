import type { Tree } from '@angular-devkit/schematics';
import { MetadataManager } from '@nestjs/schematics';

const MODULE = 'WechatModule.forRootAsync({ useFactory: () => wechatOptionsFromEnv(process.env) })';
const CONTROLLER = 'WechatAuthController';
/** The import of `Module`, which every module has. It can have several lines. */
const NEST_IMPORT = /^import\s[^;]*?from\s+['"]@nestjs\/common['"];?[ \t]*\r?\n/m;

/**
 * Finds the root module: `app.module.ts`, or `NAME.module.ts`, as `nest generate app NAME` names it in a monorepo.
 *
 * @internal
 * @throws Error if there is none
 */
export function rootModuleIn(
  tree: Tree,
  sourceRoot: string,
  project = 'app',
): { path: string; className: string } {
  const paths = ['app', project].map((name) => `${sourceRoot}/${name}.module.ts`);
  const path = paths.find((candidate) => tree.exists(candidate));
  if (path === undefined)
    throw new Error(
      `${paths[0]} does not exist. nest add nestjs-wechat changes the root module of a TypeScript application. In a monorepo, name the application: nest add nestjs-wechat --project NAME`,
    );
  const [, className = 'AppModule'] = /export class (\w+)/.exec(tree.readText(path)) ?? [];
  return { path, className };
}

/**
 * Imports WechatModule and declares the controller in the root module.
 *
 * @internal
 * @throws Error if the module is not written in a way that can be changed
 */
export function addToModule(tree: Tree, path: string, extension: string): void {
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
