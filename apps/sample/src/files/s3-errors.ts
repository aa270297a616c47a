import { isTaskCancelledError } from 'cockatiel';

/** Errors of the SDK, of S3 and of the network. */
interface S3Error {
  name?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

const CREDENTIALS =
  'it refuses the credentials. Check STORAGE_ACCESS_KEY_ID and STORAGE_SECRET_ACCESS_KEY, or the role of the machine.';
const PERMISSION =
  'access is denied. Allow s3:ListBucket for the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject for its objects.';
const REGION = 'the bucket is in another region. Correct `region` in STORAGE_URL.';
const DEADLINE = 'it did not respond within the deadline.';

/** What is wrong and what to do, by the name of the error. */
const REASONS: Record<string, string> = {
  NoSuchBucket: 'the bucket does not exist. Create it, or correct STORAGE_URL.',
  InvalidAccessKeyId: CREDENTIALS,
  SignatureDoesNotMatch: CREDENTIALS,
  InvalidToken: CREDENTIALS,
  ExpiredToken: CREDENTIALS,
  AccessDenied: PERMISSION,
  RequestTimeTooSkewed:
    'the clock of this machine differs from its clock by more than 15 minutes. Turn on NTP.',
  PermanentRedirect: REGION,
  AuthorizationHeaderMalformed: REGION,
  CredentialsProviderError:
    'there are no credentials. Set STORAGE_ACCESS_KEY_ID and STORAGE_SECRET_ACCESS_KEY, or give the machine a role.',
  AbortError: DEADLINE,
  TimeoutError: DEADLINE,
};

/** For responses without a body, which name no error. */
const REASONS_BY_STATUS: Record<number, string> = { 301: REGION, 403: PERMISSION };

/** Returns what is wrong and what to do, in one sentence or two. It contains nothing of the request or of the response but a name. */
export function reasonOf(error: unknown): string {
  const { name = '', code = '', $metadata }: S3Error = Object(error);
  const status = $metadata?.httpStatusCode;
  if (isTaskCancelledError(error)) return DEADLINE;
  const known = REASONS[name] ?? REASONS_BY_STATUS[status ?? 0];
  if (known !== undefined) return known;
  if (status !== undefined) return `it responded with ${status} ${name}.`;
  return `it cannot be reached (${code || name}). Check \`endpoint\` in STORAGE_URL. If the endpoint takes the bucket in the path, add path-style=on.`;
}

export function isMissing(error: unknown): boolean {
  const { name, $metadata }: S3Error = Object(error);
  return $metadata?.httpStatusCode === 404 && name !== 'NoSuchBucket';
}

/** Whether the same call may succeed in a moment: overload, an internal error, or a lost connection. */
export function isTransient(error: unknown): boolean {
  const { name = '', $metadata }: S3Error = Object(error);
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return status >= 500 || status === 429;
  return name !== 'AbortError' && !Object.hasOwn(REASONS, name);
}
