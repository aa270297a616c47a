import type { Figure } from './figures.js';

const BARS: [id: string, label: string][] = [
  ['bare of bare', 'bare Nest route'],
  ['public of bare', 'public route, library imported'],
  ['guarded in memory of bare', 'SessionGuard, in memory'],
  ['guarded of bare', 'SessionGuard'],
  ['floor of bare', 'by hand: JSON in Redis'],
  ['sealedFloor of bare', 'by hand: sealed JSON in Redis'],
  ['passport of bare', 'WechatAuthGuard (Passport)'],
  ['app live of bare', 'reference app: GET /health/live'],
  ['app session of bare', 'reference app: GET /auth/session'],
  ['nestJwt of bare', '@nestjs/jwt'],
  ['fastifyJwt of bare', '@fastify/jwt'],
  ['passportJwt of bare', 'passport-jwt'],
];
const OURS = [
  'public of bare',
  'guarded in memory of bare',
  'guarded of bare',
  'passport of bare',
  'app live of bare',
  'app session of bare',
];
const [WIDTH, LEFT, ROW, TOP] = [760, 250, 34, 64];
/** The width of the longest bar or line. */
const ROOM = 460;

/** Draws requests per second relative to a bare Nest route: a bar for the median, and a line from the slowest to the fastest round. */
export function chartOf(figures: Figure[]): string {
  const found = BARS.flatMap(([id, label]) => {
    const figure = figures.find((one) => one.id === id);
    return figure ? [{ id, label, ...figure.spread }] : [];
  });
  const height = TOP + found.length * ROW + 40;
  const scale = ROOM / Math.max(...found.map(({ max }) => max));
  const rows = found.map((bar, i) => rowOf(bar, TOP + i * ROW, scale));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="14" role="img">
  <title>Requests per second, bare Nest route = 1</title>
  <rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
  <text x="16" y="28" font-size="17" font-weight="600" fill="#1f2328">Requests per second on Fastify, bare Nest route = 1</text>
  <text x="16" y="48" fill="#59636e" font-size="12">median of interleaved rounds; the line spans the rounds; server, Redis and load on one machine</text>
${rows.join('\n')}
  <text x="16" y="${height - 14}" fill="#59636e" font-size="12">The library and guards by hand read a store on each request, so a login can be revoked; JSON Web Tokens cannot.</text>
</svg>
`;
}

interface Bar {
  id: string;
  label: string;
  min: number;
  median: number;
  max: number;
}

function rowOf({ id, label, min, median, max }: Bar, y: number, scale: number): string {
  const x = (value: number): string => (LEFT + value * scale).toFixed(1);
  const colour = OURS.includes(id) ? '#07c160' : '#afb8c1';
  return `  <text x="${LEFT - 10}" y="${y + 17}" text-anchor="end" fill="#1f2328">${label}</text>
  <rect x="${LEFT}" y="${y + 3}" width="${(median * scale).toFixed(1)}" height="20" rx="3" fill="${colour}"/>
  <path d="M${x(min)} ${y + 13}H${x(max)}" stroke="#1f2328"/>
  <text x="${LEFT + ROOM + 8}" y="${y + 17}" fill="#1f2328">${median.toFixed(2)}</text>`;
}
