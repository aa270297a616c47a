import type { Wx, WxCallbacks, WxFailure } from '../src/wx.js';

/** The faults of a `wx` function, in place of one callback with a result. */
export const FAULTS = [
  'throws',
  'never calls back',
  'calls back twice',
  'calls back late',
  'fails and then succeeds',
  'fails without a reason',
  'succeeds with nothing',
] as const;
export type WxFault = (typeof FAULTS)[number];

/** Longer than every deadline of the client. */
const LATE_MS = 120_000;

/**
 * A `wx` whose functions misbehave as some platforms do.
 *
 * @param faultOf the fault of the next call of this function; `undefined` for none
 */
export function unreliable(wx: Wx, faultOf: (name: string) => WxFault | undefined): Wx {
  const wrapped = Object.entries(wx).map(([name, call]) =>
    name.endsWith('StorageSync')
      ? [name, withStorageFault(name, call as never, faultOf)]
      : [name, withFault(name, call as never, faultOf)],
  );
  return Object.fromEntries(wrapped) as Wx;
}

type WxFunction = (options: WxCallbacks<unknown>) => unknown;
type StorageFunction = (...args: unknown[]) => unknown;

/** Some Android phones refuse access to the storage while the mini program starts. */
function withStorageFault(
  name: string,
  call: StorageFunction,
  faultOf: (name: string) => WxFault | undefined,
): StorageFunction {
  return (...args) => {
    if (faultOf(name)) throw new Error(`${name}:fail access denied`);
    return call(...args);
  };
}

function withFault(
  name: string,
  call: WxFunction,
  faultOf: (name: string) => WxFault | undefined,
): WxFunction {
  return (options) => {
    const succeed = (result: unknown): void => options.success?.(result);
    const fail = (reason: object = { errMsg: `${name}:fail interrupted` }): void =>
      options.fail?.(reason as WxFailure);
    /** Calls the real function and replaces its callback. */
    const instead = (success: (result: unknown) => void): unknown =>
      call({ ...options, success, fail: success });
    const fault = faultOf(name);
    if (fault === 'throws') throw new Error(`${name}:fail internal error`);
    if (fault === 'never calls back') return instead(() => {});
    if (fault === 'calls back twice')
      return instead((result) => [1, 2].forEach(() => succeed(result)));
    if (fault === 'calls back late')
      return instead((result) => void setTimeout(() => succeed(result), LATE_MS));
    if (fault === 'fails and then succeeds') return instead((result) => [fail(), succeed(result)]);
    if (fault === 'fails without a reason')
      return instead(() => options.fail?.(undefined as never));
    if (fault === 'succeeds with nothing') return instead(() => succeed(undefined));
    return call(options);
  };
}
