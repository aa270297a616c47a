import { html, svg } from '../vendor/lit-html.js';

const SHAPES = {
  client: svg`<rect x="7" y="3" width="10" height="18" rx="2" /><path d="M11 18h2" />`,
  server: svg`<rect x="4" y="4" width="16" height="6.500" rx="1.500" /><rect x="4" y="13.500" width="16" height="6.500" rx="1.500" /><path d="M8 7.250h.01M8 16.750h.01" />`,
  wechat: svg`<path d="M9 16c-.7 0-1.400-.1-2-.3L4 17l.8-2.300C3.700 13.600 3 12 3 10.300 3 7 6 4.500 9.600 4.500c3.200 0 5.900 2 6.400 4.700" /><path d="M21 14.600c0-2.600-2.400-4.700-5.400-4.700s-5.400 2.100-5.400 4.700 2.400 4.700 5.400 4.700c.7 0 1.300-.1 1.900-.3l2.500 1.200-.6-2c1-.9 1.600-2.200 1.600-3.600Z" />`,
  profile: svg`<circle cx="12" cy="8.500" r="4" /><path d="M4.500 20c.8-3.800 3.800-6 7.500-6s6.700 2.200 7.500 6" />`,
  phone: svg`<path d="M6.500 4h3l1.500 4-2 1.500a11 11 0 0 0 5.500 5.500l1.500-2 4 1.500v3c0 1-.8 1.800-1.800 1.700C10.500 18.700 5.300 13.500 4.800 5.800 4.700 4.800 5.500 4 6.500 4Z" />`,
  record: svg`<rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3" />`,
  code: svg`<rect x="4" y="4" width="6" height="6" rx="1" /><rect x="14" y="4" width="6" height="6" rx="1" /><rect x="4" y="14" width="6" height="6" rx="1" /><path d="M14 14h2.500v2.500H14zM20 14v6h-4" />`,
  shop: svg`<path d="M5 9h11v6.500a4 4 0 0 1-4 4H9a4 4 0 0 1-4-4V9ZM16 10.500h1.500a2.500 2.500 0 0 1 0 5H16M8.500 3v2.500M12.500 3v2.500" />`,
};

export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    ${SHAPES[name]}
  </svg>`;
