import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { figuresOf, readFigures } from '../../../tools/capacity/figures.js';
import { say } from '../bench.js';
import { numberText, textOf } from '../figures.js';
import { describeMachine } from '../machine.js';
import { SimulatedDay } from './day.js';
import type { Compared } from './day.js';
import { withSite } from './site.js';

/** `npm run capacity:day`: a simulated day of the reference app, and the difference to the model. */
const FIGURES = fileURLToPath(new URL('../../../../../etc/capacity-figures.json', import.meta.url));

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '120' } } });
const seconds = Number(values.seconds);
if (!(seconds >= 10 && seconds <= 3_600)) {
  say('--seconds, the length of the simulated day, must be a number from 10 to 3600.');
  process.exit(1);
}
const machine = await describeMachine(); // decides whether processes are bound to cores
if (machine.othersBusy > 0.2) say('THIS MACHINE IS BUSY: other processes distort the figures.');
const day = new SimulatedDay(seconds, figuresOf(readFigures(FIGURES)));
await withSite(async (site) => {
  if (!site) return say('A simulated day needs redis-server and PostgreSQL.');
  say(`  a day of ${day.usage.users.toLocaleString('en')} users in ${seconds} s`);
  process.stdout.write(`${tableOf(await day.run(site))}\n`);
});

function tableOf(compared: Compared[]): string {
  const rows = compared.map(({ what, unit, predicted, measured }) => [
    what,
    `${numberText(predicted)} ${unit}`,
    `${numberText(measured)} ${unit}`,
    `${Math.round((measured / predicted - 1) * 100)} %`,
  ]);
  return textOf({ head: ['', 'predicted', 'measured', 'difference'], rows });
}
