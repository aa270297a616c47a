import { Injectable } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { In, Repository } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AccountDeletedError, NotFoundError } from '../common/app-error.js';
import { CheckLimit } from '../content/check-limit.js';
import { Content } from '../content/content.entity.js';
import { Contents } from '../content/contents.js';
import type { ContentHolder } from '../content/contents.js';
import type { FileIndex, IndexedFile } from '../files/file-index.js';
import { FileStorage } from '../files/file-storage.js';
import { receiveUpload } from '../files/multipart.js';
import type { PartFile } from '../files/scratch.js';
import { redirectOrSend } from '../files/send-file.js';
import type { StoredFiles } from '../files/stored-files.js';
import { Uploads } from '../files/uploads.js';
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
const DAY_SECONDS = 86_400;

/** Both from the index `avatar_files`. */
const PAGE_OF_INDEX = `
  SELECT file AS name, false AS "isMissing", created_at > now() - interval '1 hour' AS "isNew"
  FROM contents WHERE kind = 'avatar' AND file COLLATE "C" > $1 ORDER BY file COLLATE "C" LIMIT $2`;

const EXISTING = `
  SELECT file FROM contents WHERE kind = 'avatar' AND file COLLATE "C" = ANY($1)`;

/**
 * The pictures that users chose. A picture gets a new random name at each upload. An image element of a mini program sends no token, so the
 * random name protects the picture: 128 random bits cannot be guessed.
 */
@Injectable()
export class AvatarsService implements FileIndex, ContentHolder {
  private readonly files: StoredFiles;

  constructor(
    @InjectRepository(User) private readonly rows: Repository<User>,
    private readonly users: UsersService,
    private readonly uploads: Uploads,
    private readonly contents: Contents,
    private readonly limit: CheckLimit,
    storage: FileStorage,
  ) {
    this.files = storage.add('avatars', this);
    contents.hold('avatar', this);
  }

  upload(user: User, request: FastifyRequest): Promise<User> {
    return this.uploads.inTurn(user.id, request, () => this.receive(user, request));
  }

  private async receive(user: User, request: FastifyRequest): Promise<User> {
    const { uploads } = this;
    const { scratch } = uploads;
    const check = (): Promise<void> => this.limit.countFile(user);
    const { file } = await receiveUpload(request, { uploads, maxBytes: MAX_BYTES, check });
    const picture = await scratch.inspect(file, () => this.reencode(file));
    await scratch.discard(file);
    const name = `${randomBytes(16).toString('hex')}.jpg`;
    await this.files.save(picture, name, (beforeCommit) =>
      this.replace(user, async (db) => {
        const replaced = await this.add(db, user, name);
        beforeCommit();
        return replaced;
      }),
    );
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
    await this.files.remove(files);
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
    const file = name === null ? undefined : await this.files.open(name);
    return file && { file, type: TYPES[extension] ?? '' };
  }

  /** Sends a picture only while a user has it, even if the file still exists. */
  async send(reply: FastifyReply, name: string): Promise<StreamableFile> {
    const isInUse = NAME.test(name) && (await this.rows.existsBy({ avatarFile: name }));
    const file = isInUse ? await this.files.open(name) : undefined;
    if (!file) throw new NotFoundError();
    const type = TYPES[name.split('.')[1] ?? ''] ?? '';
    return redirectOrSend(reply, file, { name, type, maxAge: DAY_SECONDS });
  }

  page(db: EntityManager, after: string, limit: number): Promise<IndexedFile[]> {
    return db.query(PAGE_OF_INDEX, [after, limit]);
  }

  async existing(db: EntityManager, names: string[]): Promise<string[]> {
    return namesOf(await db.query<Pick<Content, 'file'>[]>(EXISTING, [names]));
  }

  /** Nothing is marked: the picture's address is 404 until the file is back. */
  async markMissing(): Promise<void> {}

  async markPresent(): Promise<void> {}

  private async reencode({ path }: PartFile): Promise<PartFile> {
    const picture = await reencodePicture(path);
    return this.uploads.scratch.write(async (target) => {
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
