import type { Tree } from '@angular-devkit/schematics';

/** The part of nest-cli.json that is read here. */
interface NestCli {
  projects?: Record<string, { sourceRoot?: string }>;
}

/** @internal The name of the application in a monorepo; `undefined` in a project with one application. */
export function projectOf(tree: Tree, sourceRoot: string): string | undefined {
  if (!tree.exists('nest-cli.json')) return undefined;
  const { projects = {} } = tree.readJson('nest-cli.json') as NestCli;
  return Object.keys(projects).find((name) => projects[name]?.sourceRoot === sourceRoot);
}
