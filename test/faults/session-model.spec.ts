import fc from 'fast-check';
import { BareWechat, bareInstance, MapStore } from './bare.js';
import { isFull, often, trials } from './rows.js';
import { histories, Model, RULES } from './session-model.js';

const HISTORIES = isFull ? 200 : 100;

describe('sessions, after any sequence of commands,', () => {
  it.each(trials(50, 1))(`P4 P5 behave as the contract says${often(HISTORIES)}`, () =>
    fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const store = new MapStore();
        const wechat = new BareWechat();
        const instances = [0, 1].map(() => bareInstance(store, wechat, RULES).sessions);
        await fc.asyncModelRun(
          () => ({ model: new Model(), real: { store, instances, codes: 0 } }),
          history,
        );
      }),
      { numRuns: HISTORIES },
    ),
  );
});
