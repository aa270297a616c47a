import { Injectable } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { In, MoreThan, Repository } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AccountDeletedError, NotFoundError } from '../common/app-error.js';
import { Content } from '../content/content.entity.js';
import { Contents } from '../content/contents.js';
import type { ContentHolder } from '../content/contents.js';
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
export class AvatarsService implements FileIndex, ContentHolder {
  private readonly folder: FileFolder;

  constructor(
    @InjectRepository(User) private readonly rows: Repository<User>,
    private readonly users: UsersService,
    private readonly folders: UploadFolders,
    private readonly contents: Contents,
  ) {
    this.folder = folders.add('avatars', this);
    contents.hold('avatar', this);
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
    await folder.store(picture, name, () => this.replace(user, (db) => this.add(db, user, name)));
    return this.users.save(user, {});
  }

  /** Saves changes of a user. A new `avatarUrl` of WeChat replaces an uploaded picture. */
  async saveUser(user: User, changes: Partial<User>): Promise<User> {
    if (Object.values(changes).every((value) => value === undefined)) return user;
    if (changes.avatarUrl === undefined) return this.users.save(user, changes);
    await this.replace(user, async (db) => {
      await db.update(User, user.id, { ...changes, avatarFile: null });
      return this.drop(db, user.id, []);
    });
    return this.users.save(user, {});
  }

  /** The pictures of an account, those under check included. */
  async filesOf(db: EntityManager, userId: string): Promise<string[]> {
    return namesOf(await db.findBy(Content, { kind: 'avatar', userId }));
  }

  async remove(files: string[]): Promise<void> {
    await Promise.all(files.map((name) => this.folder.remove(name)));
  }

  /** A picture that has passed replaces the old one. A blocked one is deleted. */
  async decided(db: EntityManager, content: Content, mayDelete: boolean): Promise<string[]> {
    const { id, userId, file, status } = content;
    if (file === null) return [];
    if (status === 'ok') return this.publish(db, userId, file);
    if (status !== 'blocked') return [];
    await db.update(User, { avatarFile: file }, { avatarFile: null, avatarUrl: null });
    if (!mayDelete) return [];
    await db.update(Content, { id }, { file: null });
    return [file];
  }

  async open({ file: name, extension }: Content): ReturnType<ContentHolder['open']> {
    const file = name === null ? undefined : await this.folder.open(name);
    return file && { file, type: TYPES[extension] ?? '' };
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
    const where = { kind: 'avatar', file: MoreThan(after) } as const;
    return namesOf(await db.find(Content, { where, order: { file: 'ASC' }, take }));
  }

  async existing(db: EntityManager, names: string[]): Promise<string[]> {
    return namesOf(await db.findBy(Content, { kind: 'avatar', file: In(names) }));
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

  /** Adds an uploaded picture. The old picture stays until the new one is `ok`. */
  private async add(db: EntityManager, user: User, file: string): Promise<string[]> {
    const picture = { kind: 'avatar', extension: 'jpg', isCheckable: true, file, user } as const;
    const { status } = await this.contents.add(db, picture);
    if (status === 'ok') return this.publish(db, user.id, file);
    const { avatarFile } = await db.findOneByOrFail(User, { id: user.id });
    return this.drop(db, user.id, [file, avatarFile]);
  }

  private async publish(db: EntityManager, userId: string, file: string): Promise<string[]> {
    await db.update(User, userId, { avatarFile: file, avatarUrl: `/avatars/${file}` });
    return this.drop(db, userId, [file]);
  }

  /** Deletes the rows of other pictures of a user. Returns their files. */
  private async drop(
    db: EntityManager,
    userId: string,
    kept: (string | null)[],
  ): Promise<string[]> {
    const pictures = await db.findBy(Content, { kind: 'avatar', userId });
    const dropped = pictures.filter(({ file }) => file === null || !kept.includes(file));
    await db.delete(Content, { id: In(dropped.map(({ id }) => id)) });
    return namesOf(dropped);
  }

  /** Changes the pictures of a user and removes the files that `change` returns. The row of the user is locked, so that uploads follow one another. */
  private async replace(
    { id }: User,
    change: (db: EntityManager) => Promise<string[]>,
  ): Promise<void> {
    const files = await this.rows.manager.transaction(async (db) => {
      const user = await db.findOne(User, { where: { id }, lock: { mode: 'pessimistic_write' } });
      if (!user) throw new AccountDeletedError();
      return change(db);
    });
    await this.remove(files);
  }
}

function namesOf(pictures: Pick<Content, 'file'>[]): string[] {
  return pictures.flatMap(({ file }) => file ?? []);
}
