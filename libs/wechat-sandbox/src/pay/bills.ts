import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { SandboxClock } from '../world/clock.js';
import { fieldFailure } from './body-schemas.js';
import { BoundedMap } from '../world/bounded-map.js';
import type { PayMerchant } from './merchant.js';
import type { OrderRecord } from './order.js';
import type { Orders } from './orders.js';
import { PayFailure } from './pay-failure.js';
import type { RefundRecord } from './refund.js';
import type { Refunds } from './refunds.js';

const DAY_MS = 86_400_000;
const BEIJING_MS = 8 * 3600_000;
/** A bill is ready at 10:00 of the next day. */
const READY_AFTER_MS = DAY_MS + 10 * 3600_000;
const TOKEN_LIFE_MS = 5 * 60_000;
const KEPT = 100;
/** WeChat provides the bills of the last three months. */
const OLDEST_MS = 93 * DAY_MS;

const BILL_TYPES = ['ALL', 'SUCCESS', 'REFUND'] as const;
type BillType = (typeof BILL_TYPES)[number];

/** A requested bill that can be downloaded. */
interface Ready {
  mchId: string;
  file: Buffer;
  until: number;
}

/** One line of a bill: a payment, or with `refund` a refund of it. */
type Entry = { order: OrderRecord; refund?: RefundRecord };

/** The trade bills: each day's payments and refunds as a CSV file, in yuan. */
export class Bills {
  private readonly ready = new BoundedMap<string, Ready>(KEPT);

  constructor(
    private readonly clock: SandboxClock,
    private readonly orders: Orders,
    private readonly refunds: Refunds,
    private readonly baseUrl: () => string,
  ) {}

  /** The response of `GET /v3/bill/tradebill`: the URL and the hash of the file. */
  request(merchant: PayMerchant, query: Readonly<Record<string, string>>): object {
    const { bill_date: date = '', bill_type: type = 'ALL', tar_type: packed } = query;
    const billType = BILL_TYPES.find((one) => one === type);
    if (!billType) throw queryFailure('bill_type', type);
    if (packed !== undefined && packed !== 'GZIP') throw queryFailure('tar_type', packed);
    const start = this.startOf(date);
    const csv = this.csv(merchant, start, billType);
    if (!csv) throw new PayFailure('NO_STATEMENT_EXIST');
    const token = randomBytes(32).toString('base64url');
    const file = packed ? gzipSync(csv) : csv;
    this.ready.set(token, { mchId: merchant.mchId, file, until: this.clock.now() + TOKEN_LIFE_MS });
    return {
      hash_type: 'SHA1',
      hash_value: createHash('sha1').update(csv).digest('hex'),
      download_url: `${this.baseUrl()}/v3/billdownload/file?token=${token}`,
    };
  }

  /** Returns the file of a download URL, which is valid for five minutes. */
  download(merchant: PayMerchant, token: string | undefined): Buffer {
    const ready = this.ready.get(token ?? '');
    if (!ready || ready.mchId !== merchant.mchId || this.clock.now() >= ready.until)
      throw new PayFailure('NO_STATEMENT_EXIST');
    return ready.file;
  }

  /** Returns midnight in Beijing of a date. Its bill must be ready. */
  private startOf(date: string): number {
    const midnight = /^\d{4}-\d\d-\d\d$/.test(date) ? Date.parse(`${date}T00:00:00+08:00`) : NaN;
    const now = this.clock.now();
    if (Number.isNaN(midnight) || midnight + DAY_MS > now || midnight < now - OLDEST_MS)
      throw queryFailure('bill_date', date);
    if (now < midnight + READY_AFTER_MS) throw new PayFailure('STATEMENT_CREATING');
    return midnight;
  }

  /** Returns undefined for a day without payments and refunds. */
  private csv(merchant: PayMerchant, start: number, type: BillType): Buffer | undefined {
    const onDay = (at: Date | undefined): boolean =>
      at !== undefined && at.getTime() >= start && at.getTime() < start + DAY_MS;
    const records = this.orders.of(merchant);
    const paid = records.filter(({ paidAt }) => onDay(paidAt)).map((order) => ({ order }));
    const refunded = records
      .flatMap((order) => this.refunds.of(order).map((refund) => ({ order, refund })))
      .filter(({ refund }) => onDay(refund.createdAt));
    const entries: Entry[] = [
      ...(type === 'REFUND' ? [] : paid),
      ...(type === 'SUCCESS' ? [] : refunded),
    ];
    if (entries.length === 0) return undefined;
    const columns = COLUMNS.filter(({ only }) => !only || only.includes(type));
    const rows = [
      columns.map(({ title }) => title).join(','),
      ...entries.map((entry) => columns.map(({ cell }) => quoted(cell(entry))).join(',')),
      TOTALS.map(([title]) => title).join(','),
      TOTALS.map(([, total]) => quoted(total(entries))).join(','),
    ];
    return Buffer.from(`\uFEFF${rows.map((row) => `${row}\r\n`).join('')}`);
  }
}

/** Formats a value. A backquote in front keeps a spreadsheet from rounding it, and commas are removed because they separate columns. */
const quoted = (value: string): string => `\`${value.replaceAll(/[,\r\n]/g, ' ')}`;

const yuan = (fen: number): string => (fen / 100).toFixed(2);

const time = (at: Date): string =>
  new Date(at.getTime() + BEIJING_MS).toISOString().slice(0, 19).replace('T', ' ');

interface Column {
  title: string;
  /** The bill types that have it. @default all */
  only?: readonly BillType[];
  cell: (entry: Entry) => string;
}

const REFUNDS: readonly BillType[] = ['ALL', 'REFUND'];
const ONLY_REFUNDS: readonly BillType[] = ['REFUND'];

/** In WeChat's order. */
const COLUMNS: readonly Column[] = [
  { title: '交易时间', cell: ({ order }) => time(order.paidAt!) },
  { title: '公众账号ID', cell: ({ order }) => order.appId },
  { title: '商户号', cell: ({ order }) => order.mchId },
  { title: '特约商户号', cell: () => '0' },
  { title: '设备号', cell: () => '' },
  { title: '微信订单号', cell: ({ order }) => order.transactionId! },
  { title: '商户订单号', cell: ({ order }) => order.outTradeNo },
  { title: '用户标识', cell: ({ order }) => order.openid! },
  { title: '交易类型', cell: ({ order }) => order.tradeType },
  { title: '交易状态', cell: ({ refund }) => (refund ? 'REFUND' : 'SUCCESS') },
  { title: '付款银行', cell: () => 'OTHERS' },
  { title: '货币种类', cell: () => 'CNY' },
  { title: '应结订单金额', cell: ({ order, refund }) => yuan(refund ? 0 : order.amount) },
  { title: '代金券金额', cell: () => yuan(0) },
  {
    title: '退款申请时间',
    only: ONLY_REFUNDS,
    cell: ({ refund }) => (refund ? time(refund.createdAt) : ''),
  },
  {
    title: '退款成功时间',
    only: ONLY_REFUNDS,
    cell: ({ refund }) => (refund?.succeededAt ? time(refund.succeededAt) : ''),
  },
  { title: '微信退款单号', only: REFUNDS, cell: ({ refund }) => refund?.refundId ?? '0' },
  { title: '商户退款单号', only: REFUNDS, cell: ({ refund }) => refund?.outRefundNo ?? '0' },
  { title: '退款金额', only: REFUNDS, cell: ({ refund }) => yuan(refund?.amount ?? 0) },
  { title: '充值券退款金额', only: REFUNDS, cell: () => yuan(0) },
  { title: '退款类型', only: REFUNDS, cell: ({ refund }) => (refund ? 'ORIGINAL' : '') },
  { title: '退款状态', only: REFUNDS, cell: ({ refund }) => refund?.status ?? '' },
  { title: '商品名称', cell: ({ order }) => order.description },
  { title: '商户数据包', cell: ({ order }) => order.attach ?? '' },
  { title: '手续费', cell: () => '0.00000' },
  { title: '费率', cell: () => '0.60%' },
  { title: '订单金额', cell: ({ order, refund }) => yuan(refund ? 0 : order.amount) },
  { title: '申请退款金额', only: REFUNDS, cell: ({ refund }) => yuan(refund?.amount ?? 0) },
  { title: '费率备注', cell: () => '' },
];

const sum = (entries: readonly Entry[], of: (entry: Entry) => number): number =>
  entries.reduce((total, entry) => total + of(entry), 0);
const paidIn = ({ order, refund }: Entry): number => (refund ? 0 : order.amount);
const refundedIn = ({ refund }: Entry): number => refund?.amount ?? 0;

/** Returns the two summary lines at the end of the file. */
const TOTALS: readonly [title: string, total: (entries: readonly Entry[]) => string][] = [
  ['总交易单数', (entries) => String(entries.length)],
  ['应结订单总金额', (entries) => yuan(sum(entries, paidIn))],
  ['退款总金额', (entries) => yuan(sum(entries, refundedIn))],
  ['充值券退款总金额', () => yuan(0)],
  ['手续费总金额', () => '0.00000'],
  ['订单总金额', (entries) => yuan(sum(entries, paidIn))],
  ['申请退款总金额', (entries) => yuan(sum(entries, refundedIn))],
];

const queryFailure = (name: string, value: string): PayFailure =>
  fieldFailure(`/${name}`, value, 'is not valid', undefined, 'query');
