import { createHash } from 'node:crypto';
import { isObject } from '../transport/request.js';
import { BoundedMap } from '../world/bounded-map.js';

const KEPT = 200;

/** The contents of the newest codes by the bytes of their images, so that the simulator can scan without a camera. */
export class QrContents {
  private readonly byHash = new BoundedMap<string, object>(KEPT);

  /** Stores the request of a QR API with its image. Other responses are ignored. */
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
