import type { Rule, Tree } from '@angular-devkit/schematics';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { NestAddOptions } from './options.js';
import { addPackages } from './package-json.js';
import { projectOf } from './project.js';
import { addToModule, rootModuleIn } from './root-module.js';
import {
  ENV_EXAMPLE,
  REDIS_VARIABLES,
  SANDBOX_ENV,
  VARIABLES,
  withVariables,
} from './variables.js';

const END_TO_END = 'test/jest-e2e.json';

/**
 * `nest add nestjs-wechat`: imports the module, adds a login controller and lists the variables. It changes nothing that it finds
 * done already.
 *
 * @internal
 */
export function nestAdd(options: NestAddOptions): Rule {
  return (tree, context) => {
    const project = projectOf(tree, options.sourceRoot);
    const isEsm = (tree.readJson('package.json') as { type?: string }).type === 'module';
    const extension = isEsm ? '.js' : '';
    const rootModule = rootModuleIn(tree, options.sourceRoot, project);
    addToModule(tree, rootModule.path, extension);
    const create = (name: string): void => {
      createFile(tree, `${options.sourceRoot}/auth`, name, {
        __rootModule__: rootModule.className,
        __rootFile__: basename(rootModule.path, '.ts') + extension,
      });
    };
    create('wechat-auth.controller.ts');
    if (options.test) create('wechat-auth.controller.spec.ts');
    addVariables(tree, options);
    const hasAdded = addPackages(tree, options);
    if (hasAdded && !options.skipInstall)
      context.addTask({
        toConfiguration: () => ({ name: 'node-package', options: { command: 'install' } }),
      });
    context.logger.info(nextSteps(tree, options, hasAdded));
  };
}

function createFile(
  tree: Tree,
  folder: string,
  name: string,
  values: Record<string, string>,
): void {
  const path = `${folder}/${name}`;
  if (tree.exists(path)) return;
  const template = readFileSync(join(__dirname, 'files', `${name}.template`), 'utf8');
  tree.create(
    path,
    template.replace(/__\w+?__/g, (variable) => values[variable] ?? variable),
  );
}

function addVariables(tree: Tree, { redis, sandbox }: NestAddOptions): void {
  const variables = redis ? { ...VARIABLES, ...REDIS_VARIABLES } : VARIABLES;
  const before = tree.exists(ENV_EXAMPLE) ? tree.readText(ENV_EXAMPLE) : '';
  const after = withVariables(before, variables);
  if (!tree.exists(ENV_EXAMPLE)) tree.create(ENV_EXAMPLE, after);
  else if (after !== before) tree.overwrite(ENV_EXAMPLE, after);
  if (sandbox && !tree.exists('sandbox.env')) tree.create('sandbox.env', SANDBOX_ENV);
}

function nextSteps(tree: Tree, options: NestAddOptions, hasAdded: boolean): string {
  return [
    hasAdded && options.skipInstall ? 'Run npm install first.' : '',
    startStep(options, projectOf(tree, options.sourceRoot)),
    options.sandbox ? endToEndStep(tree) : '',
  ]
    .filter(Boolean)
    .join('\n');
}

const startStep = ({ sandbox }: NestAddOptions, project: string | undefined): string =>
  sandbox
    ? 'Start the local WeChat server with "npm run sandbox" and, in a second terminal, the application with "npm run start:sandbox".'
    : `Copy .env.example to .env, write your AppID and AppSecret into it, and start with: node --env-file=.env dist/${project ? `apps/${project}/` : ''}main`;

/** The test of `nest new` imports the root module, which needs the variables. Nest 12 runs jest with a flag for ES modules. */
function endToEndStep(tree: Tree): string {
  if (!tree.exists(END_TO_END)) return '';
  const { scripts } = tree.readJson('package.json') as { scripts?: Record<string, string> };
  const flag = '--experimental-vm-modules';
  const flags = scripts?.['test:e2e']?.includes(flag) ? `${flag} ` : '';
  return `The e2e test needs the variables now. Run it with: node --env-file=sandbox.env ${flags}node_modules/jest/bin/jest.js --config ./${END_TO_END}`;
}
