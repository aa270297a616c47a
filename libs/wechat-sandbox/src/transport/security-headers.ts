import { createHash } from 'node:crypto';

/**
 * The headers of every response. A body that is not a page of the sandbox, for example one that a fault sets, runs no script and loads
 * nothing, even if its content type is HTML.
 */
export const INERT = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'self'; sandbox",
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin', // with no-referrer, browsers send `Origin: null` for the form of the consent page
} as const;

/** Returns the headers without those of {@link INERT}, so that a fault cannot replace them. */
export function withoutInert(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !Object.hasOwn(INERT, name.toLowerCase())),
  );
}

/** Returns the source of an inline style for a content security policy. */
export const hashSource = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
