/**
 * A machine whose clock is wrong from the start, by CLOCK_SKEW milliseconds, and is set while it runs. The monotonic clock does
 * not know of it, as on a real machine.
 */
const RealDate = Date;
let skew = Number(process.env.CLOCK_SKEW ?? 0);

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length > 0 ? args : [RealDate.now() + skew]));
  }

  static now() {
    return RealDate.now() + skew;
  }
};

globalThis.setClock = (by) => {
  skew += by;
};
