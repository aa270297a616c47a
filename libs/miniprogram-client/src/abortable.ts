import { assign } from './assign.js';
import { RequestError, requestError } from './request-error.js';
import { abortTask } from './wx-call.js';

/** The promise of a call that can be aborted. `then()` and `await` return ordinary promises, so keep this one. */
export type AbortablePromise<T> = Promise<T> & {
  /** Rejects with `ERR_ABORTED`, stops the running transfer, and sends nothing more. The server may have carried out the call. */
  abort(): void;
};

/** The state of a call that `abort()` uses. */
export interface AbortState {
  isAborted?: boolean;
  /** The task that `wx` returned for the running transfer. */
  task?: unknown;
}

/** Starts a call that can be aborted at any time: while it waits for a login, between two attempts, or during a transfer. */
export function abortable<T>(start: (state: AbortState) => Promise<T>): AbortablePromise<T> {
  const state: AbortState = {};
  let rejectCall: (reason: Error) => void;
  const call = new Promise<T>((resolve, reject) => {
    rejectCall = reject;
    start(state).then(resolve, reject);
  });
  return assign(call, {
    abort() {
      state.isAborted = true;
      rejectCall(aborted());
      abortTask(state.task);
    },
  });
}

export function aborted(): RequestError {
  return requestError('ERR_ABORTED', 'The app aborted the call.');
}
