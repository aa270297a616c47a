import { createHash } from 'node:crypto';
import { isObject } from '../transport/request.js';
import { BoundedMap } from '../world/bounded-map.js';

const KEPT = 200;

/** What the codes hold that were drawn so far, by the bytes of their images: a scanner that needs no camera. */
export class QrContents {
  private readonly byHash = new BoundedMap<string, object>(KEPT);

  /** Keeps what a QR API was asked for; anything that is no image is not a code. */
  remember(image: Buffer, contentType: string, body: unknown): void {
    if (!contentType.startsWith('image/') || !isObject(body)) return;
    const { scene, page, path, env_version } = body;
    this.byHash.set(hashOf(image), { scene, page, path, env_version });
  }

  scan(image: Buffer): object | undefined {
    return this.byHash.get(hashOf(image));
  }
}

const hashOf = (image: Buffer): string => createHash('sha256').update(image).digest('base64url');
