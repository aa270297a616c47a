import { update } from './state.js';
import { t } from './texts.js';

/** Runs an action of the control plane and shows a notice. */
export async function perform(action, ...done) {
  try {
    await action();
    update({ notice: t(...done) });
  } catch (error) {
    update({ notice: error.message });
  }
}
