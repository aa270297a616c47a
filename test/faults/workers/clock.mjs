/**
 * Makes `Date` wrong by CLOCK_SKEW milliseconds from the start, and lets tests change it later. The monotonic clock stays
 * right, as on a real machine.
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
