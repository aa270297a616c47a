import { Injectable } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { In, MoreThan, Repository } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AccountDeletedError, NotFoundError } from '../common/app-error.js';
import type { FileFolder, PartFile } from '../files/file-folder.js';
import type { FileIndex } from '../files/file-index.js';
import { receiveUpload } from '../files/multipart.js';
import { sendFile } from '../files/send-file.js';
import { UploadFolders } from '../files/upload-folders.js';
import { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { reencodePicture } from './picture.js';

/** New pictures are JPEG. Older versions stored the file as it was uploaded. */
const TYPES: Record<string, string | undefined> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
};

const NAME = /^[0-9a-f]{32}\.[a-z]{3,4}$/;

const MAX_BYTES = 2 * 1024 * 1024;

/**
 * The pictures that users chose. A picture gets a new random name at each upload. An image element of a mini program sends no token, so the
 * random name protects the picture: 128 random bits cannot be guessed.
 */
@Injectable()
export class AvatarsService implements FileIndex {
  private readonly folder: FileFolder;

  constructor(
    @InjectRepository(User) private readonly rows: Repository<User>,
    private readonly users: UsersService,
    private readonly folders: UploadFolders,
  ) {
    this.folder = folders.add('avatars', this);
  }

  upload(user: User, request: FastifyRequest): Promise<User> {
    return this.folders.inTurn(user.id, request, () => this.receive(user, request));
  }

  private async receive(user: User, request: FastifyRequest): Promise<User> {
    const { folder, folders } = this;
    const { file } = await receiveUpload(request, { folders, folder, maxBytes: MAX_BYTES });
    const picture = await folder.inspect(file, () => this.reencode(file));
    await folder.discard(file);
    const name = `${randomBytes(16).toString('hex')}.jpg`;
    await folder.store(picture, name, () =>
      this.replace(user, { avatarFile: name, avatarUrl: `/avatars/${name}` }),
    );
    return this.users.save(user, {});
  }

  /** Saves changes of a user. A new `avatarUrl` of WeChat replaces an uploaded picture. */
  async saveUser(user: User, changes: Partial<User>): Promise<User> {
    if (changes.avatarUrl === undefined) return this.users.save(user, changes);
    await this.replace(user, { ...changes, avatarFile: null });
    return this.users.save(user, {});
  }

  async removeOf({ avatarFile }: Pick<User, 'avatarFile'>): Promise<void> {
    if (avatarFile) await this.folder.remove(avatarFile);
  }

  /** Sends a picture only while a user has it, even if the file still exists. */
  async send(reply: FastifyReply, name: string): Promise<StreamableFile> {
    const isInUse = NAME.test(name) && (await this.rows.existsBy({ avatarFile: name }));
    const file = isInUse ? await this.folder.open(name) : undefined;
    if (!file) throw new NotFoundError();
    const type = TYPES[name.split('.')[1] ?? ''] ?? '';
    return sendFile(reply, file, { name, type, cacheControl: 'private, max-age=86400' });
  }

  async page(db: EntityManager, after: string, take: number): Promise<string[]> {
    return namesOf(
      await db.find(User, {
        select: { id: true, avatarFile: true },
        where: { avatarFile: MoreThan(after) },
        order: { avatarFile: 'ASC' },
        take,
      }),
    );
  }

  async existing(db: EntityManager, names: string[]): Promise<string[]> {
    return namesOf(
      await db.find(User, {
        select: { id: true, avatarFile: true },
        where: { avatarFile: In(names) },
      }),
    );
  }

  /** Nothing is marked: the picture's address is 404 until the file is back. */
  async markMissing(): Promise<void> {}

  async markPresent(): Promise<void> {}

  private async reencode({ path }: PartFile): Promise<PartFile> {
    const picture = await reencodePicture(path);
    return this.folder.writePart(async (target) => {
      await writeFile(target, picture, { flag: 'wx' });
      return picture.length;
    });
  }

  /** Saves a user and removes the file of the old picture. The row is locked, so that each of several uploads removes the one before it. */
  private async replace({ id }: User, changes: Partial<User>): Promise<void> {
    const old = await this.rows.manager.transaction(async (db) => {
      const user = await db.findOne(User, { where: { id }, lock: { mode: 'pessimistic_write' } });
      if (!user) throw new AccountDeletedError();
      await db.update(User, id, changes);
      return user;
    });
    await this.removeOf(old);
  }
}

function namesOf(users: Pick<User, 'avatarFile'>[]): string[] {
  return users.flatMap(({ avatarFile }) => avatarFile ?? []);
}
