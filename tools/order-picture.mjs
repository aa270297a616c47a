// Draws docs/images/order.svg from the table of the shop's code: the statuses of an order, and the steps between them.
// `--check` writes nothing, and fails if the picture is not up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

await import('../test/faults/workers/register.mjs'); // loads TypeScript
const { TRANSITIONS } = await import('../apps/sample/src/shop/order-transitions.ts');

const PICTURE = join(import.meta.dirname, '../docs/images/order.svg');
const SIZE = { width: 960, height: 470 };
const BOX = { width: 168, height: 68 };

/** The upper left corner of each status, and its Chinese name. */
const STATUSES = {
  pending: { x: 32, y: 40, zh: '待付款' },
  paid: { x: 396, y: 40, zh: '已付款' },
  'picked-up': { x: 760, y: 40, zh: '已取货' },
  closed: { x: 32, y: 340, zh: '已关闭' },
  refunding: { x: 396, y: 340, zh: '退款中' },
  refunded: { x: 760, y: 340, zh: '已退款' },
};

/** What causes each step, in English and Chinese. */
const CAUSES = {
  pay: ['signed SUCCESS that fits', '验签通过且相符'],
  close: ['cancelled, or time is over', '取消或超时'],
  pickUp: ['handed over', '取货'],
  startRefund: ['refund requested', '申请退款'],
  refundLate: ['paid too late', '付款到得太晚'],
  closeRefund: ['CLOSED', '退款关闭'],
  refuseRefund: ['or refused', '或被拒绝'],
  endRefund: ['SUCCESS,', '退款成功，'],
  bookRefund: ['merchant console', '商户平台退款'],
};

/** The arrow between two statuses, and the place and alignment of its text. */
const ARROWS = {
  'pending paid': { path: 'M200 74H392', text: [296, 44] },
  'pending closed': { path: 'M116 108V336', text: [126, 214], anchor: 'start' },
  'paid picked-up': { path: 'M564 74H756', text: [660, 44] },
  'paid refunding': { path: 'M436 108V336', text: [426, 214], anchor: 'end' },
  'refunding paid': { path: 'M480 340V112', text: [490, 250], anchor: 'start' },
  'closed refunding': { path: 'M200 374H392', text: [296, 344] },
  'refunding refunded': { path: 'M564 374H756', text: [660, 430] },
  'paid refunded': { path: 'M556 108L772 336', text: [668, 190], anchor: 'start' },
  'picked-up refunded': { path: 'M856 108V336', text: [846, 256], anchor: 'end' },
};

const STYLE = `
  svg { --bg: #ffffff; --ink: #1c2733; --soft: #5b6b7b; --line: #2f7d5b; --edge: #8cc7ab; --box: #e9f5ef; --frame: #c9d3dc; }
  @media (prefers-color-scheme: dark) {
    svg { --bg: #12181f; --ink: #e6edf3; --soft: #9fb0c0; --line: #57c796; --edge: #2f7d5b; --box: #17322a; --frame: #33414e; }
  }
  text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; font-size: 13px; fill: var(--ink); }
  .bg { fill: var(--bg); stroke: var(--frame); } .box { fill: var(--box); stroke: var(--edge); }
  .status { font-size: 17px; font-weight: 650; } .zh { fill: var(--soft); }
  .line { stroke: var(--line); stroke-width: 2; fill: none; } .head { fill: var(--line); }
`;

function box([status, { x, y, zh }]) {
  const middle = x + BOX.width / 2;
  return `<rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="10" class="box"/>
<text x="${middle}" y="${y + 30}" class="status" text-anchor="middle">${status}</text>
<text x="${middle}" y="${y + 52}" class="zh" text-anchor="middle">${zh}</text>`;
}

/** Returns the names of the steps by their two statuses. Steps between the same statuses share an arrow. */
function stepsByEnds() {
  const steps = {};
  for (const [name, { from, to }] of Object.entries(TRANSITIONS))
    for (const status of from) (steps[`${status} ${to}`] ??= []).push(name);
  return steps;
}

/** @throws TypeError if a step of the code has no place in the picture */
function arrow([ends, names]) {
  const { path, text, anchor = 'middle' } = ARROWS[ends];
  const [x, y] = text;
  const inLanguage = (language) => names.map((name) => CAUSES[name][language]);
  return `<path d="${path}" class="line" marker-end="url(#head)"/>
<text x="${x}" y="${y}" text-anchor="${anchor}">${inLanguage(0).join(' ')}</text>
<text x="${x}" y="${y + 18}" class="zh" text-anchor="${anchor}">${inLanguage(1).join('')}</text>`;
}

const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" width="${SIZE.width}" height="${SIZE.height}" role="img" aria-labelledby="title desc">
<title id="title">The status of an order · 订单状态</title>
<desc id="desc">${Object.entries(stepsByEnds())
  .map(
    ([ends, names]) =>
      `${ends.replace(' ', ' to ')}: ${names.map((name) => CAUSES[name][0]).join(' ')}`,
  ) // prettier-ignore
  .join('. ')}.</desc>
<style>${STYLE}</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="6" refY="5" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L10 5L0 10Z" class="head"/></marker></defs>
<rect x="1" y="1" width="${SIZE.width - 2}" height="${SIZE.height - 2}" rx="14" class="bg"/>
${Object.entries(STATUSES).map(box).join('\n')}
${Object.entries(stepsByEnds()).map(arrow).join('\n')}
</svg>
`;

if (process.argv.includes('--check')) {
  const isCurrent = readFileSync(PICTURE, 'utf8') === picture;
  if (!isCurrent) process.stderr.write('docs/images/order.svg: run node tools/order-picture.mjs\n');
  process.exitCode = isCurrent ? 0 : 1;
} else {
  writeFileSync(PICTURE, picture);
}
