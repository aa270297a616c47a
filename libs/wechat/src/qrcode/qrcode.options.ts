/**
 * The appearance of a round code, and the app it belongs to.
 *
 * @example
 * ```ts
 * const style: QrCodeStyle = { width: 430, lineColor: { r: 0, g: 0, b: 0 }, isHyaline: true };
 * ```
 */
export interface QrCodeStyle {
  /** Pixels, 280 to 1280. @default 430 */
  width?: number;
  /** WeChat chooses the colour of the lines. @default false */
  autoColor?: boolean;
  /** Colour of the lines, 0 to 255 each. @default black */
  lineColor?: { r: number | string; g: number | string; b: number | string };
  /** Transparent background. @default false */
  isHyaline?: boolean;
  /** The version of the mini program that the code opens. @default 'release' */
  envVersion?: 'release' | 'trial' | 'develop';
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

/**
 * A round code with a scene. An app can have any number of these codes.
 *
 * @example
 * ```ts
 * await qrCodes.getUnlimited({ scene: 'order=42', page: 'pages/order/order', width: 430 });
 * ```
 */
export interface UnlimitedQrCodeOptions extends QrCodeStyle {
  /** 1 to 32 characters of 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~ */
  scene: string;
  /** A released page, such as `pages/index/index`. @default the home page */
  page?: string;
  /** `false`: WeChat also accepts a page that is not released. @default true */
  checkPath?: boolean;
}

/**
 * A round code for a path. An app can have 100,000 codes for a path, round and square ones together.
 *
 * @example
 * ```ts
 * await qrCodes.get({ path: 'pages/order/order?id=42', isHyaline: true });
 * ```
 */
export interface PathQrCodeOptions extends QrCodeStyle {
  /** A page with its query, up to 1024 characters. */
  path: string;
}

/**
 * A square code for a path. An app can have 100,000 codes for a path, round and square ones together.
 *
 * @example
 * ```ts
 * await qrCodes.create({ path: 'pages/order/order?id=42', width: 430 });
 * ```
 */
export interface SquareQrCodeOptions {
  /** A page with its query, up to 128 characters. */
  path: string;
  /** Pixels, 280 to 1280. @default 430 */
  width?: number;
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

const SCENE = /^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}$/;
const PAGE = /^[0-9A-Za-z_-][0-9A-Za-z_.-]*(\/[0-9A-Za-z_-][0-9A-Za-z_.-]*)*$/;
const COLOUR = /^(25[0-5]|2[0-4]\d|1?\d?\d)$/;

/** Validates the options of a code. Collects one text for each invalid field. No text contains a value of the options. */
export class QrCodeProblems {
  readonly found: string[] = [];

  isScene(scene: unknown): boolean {
    return typeof scene === 'string' && SCENE.test(scene);
  }

  page(page: unknown): void {
    const valid = page === undefined || (typeof page === 'string' && PAGE.test(page));
    this.expect(
      valid,
      'page must be a page such as pages/index/index, without leading slash and query',
    );
  }

  path(path: unknown, maxLength: number): void {
    const valid =
      typeof path === 'string' &&
      path.length >= 1 &&
      path.length <= maxLength &&
      PAGE.test(path.split('?')[0] ?? '');
    this.expect(
      valid,
      `path must be a page with its query, 1 to ${maxLength} characters, without leading slash`,
    );
  }

  width(width: unknown): void {
    const valid =
      width === undefined ||
      (Number.isInteger(width) && Number(width) >= 280 && Number(width) <= 1280);
    this.expect(valid, 'width must be a whole number from 280 to 1280');
  }

  style({
    width,
    autoColor,
    lineColor,
    isHyaline,
    envVersion,
    ...rest
  }: QrCodeStyle & { checkPath?: boolean }): void {
    this.width(width);
    for (const [name, value] of Object.entries({
      autoColor,
      isHyaline,
      checkPath: rest.checkPath,
    })) {
      this.expect(
        value === undefined || typeof value === 'boolean',
        `${name} must be true or false`,
      );
    }
    this.expect(
      lineColor === undefined || isColour(lineColor),
      'lineColor must be {"r","g","b"}, 0 to 255 each',
    );
    this.expect(
      envVersion === undefined || ['release', 'trial', 'develop'].includes(envVersion),
      'envVersion must be release, trial or develop',
    );
  }

  private expect(valid: boolean, problem: string): void {
    if (!valid) this.found.push(problem);
  }
}

function isColour(colour: unknown): boolean {
  if (typeof colour !== 'object' || colour === null || Object.keys(colour).length !== 3)
    return false;
  const { r, g, b } = colour as Record<string, unknown>;
  return [r, g, b].every(
    (part) => ['string', 'number'].includes(typeof part) && COLOUR.test(String(part)),
  );
}
