import { update } from './state.js';

/** Runs the work of a phone in turn, so that a press is not lost while the page reads something again by itself. */
export function turnsOf(phone) {
  const inTurn = (work) => {
    phone.lastTurn = phone.lastTurn.then(work).finally(() => update());
    update();
    return phone.lastTurn;
  };

  /** Runs the action of a button. The screen shows its error. A second press has no effect before the first one has ended. */
  const press = (name, action) => {
    const perform = async () => {
      try {
        phone.result = (await action()) ?? phone.result;
      } catch (error) {
        phone.result = { kind: 'problem', error };
      } finally {
        phone.actions.delete(name);
      }
    };
    if (!phone.actions.has(name)) phone.actions.set(name, inTurn(perform));
    return phone.actions.get(name);
  };

  /**
   * Reads again what WeChat may have changed. The screen keeps what the user reads or types meanwhile, also if the read fails. A read
   * that has begun may miss the newest change, so one more follows it.
   */
  const renew = (name, read) => {
    if (phone.reads.some((one) => one.name === name && !one.hasBegun)) return;
    const own = { name, hasBegun: false };
    phone.reads.push(own);
    void inTurn(async () => {
      own.hasBegun = true;
      phone.result = (await read().catch(() => undefined)) ?? phone.result;
      phone.reads.splice(phone.reads.indexOf(own), 1);
    });
  };

  return { press, renew };
}
