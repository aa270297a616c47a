import { Injectable } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { fileTypeFromFile } from 'file-type';
import { randomBytes } from 'node:crypto';
import { IsNull, Not, Repository } from 'typeorm';
import { NotFoundError } from '../common/app-error.js';
import type { FileFolder } from '../files/file-folder.js';
import { receiveUpload, UnsupportedMediaTypeError } from '../files/multipart.js';
import { sendFile } from '../files/send-file.js';
import type { FileIndex } from '../files/sweep.js';
import { UploadFolders } from '../files/upload-folders.js';
import { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';

const TYPES: Record<string, string | undefined> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
};

const NAME = /^[0-9a-f]{32}\.[a-z]{3,4}$/;

const MAX_BYTES = 2 * 1024 * 1024;

/**
 * The pictures that users chose. A picture has a random name and a new one at each upload, because an image element of a mini program
 * sends no token: who knows the name may see the picture, and nobody guesses it.
 */
@Injectable()
export class AvatarsService implements FileIndex {
  private readonly folder: FileFolder;

  constructor(
    @InjectRepository(User) private readonly rows: Repository<User>,
    private readonly users: UsersService,
    folders: UploadFolders,
  ) {
    this.folder = folders.add('avatars', this);
  }

  async upload(user: User, request: FastifyRequest): Promise<User> {
    const { file } = await receiveUpload(request, this.folder, MAX_BYTES);
    const extension = await this.folder.check(file, () => extensionOf(file.path));
    const name = `${randomBytes(16).toString('hex')}.${extension}`;
    const saved = await this.folder.keep(file, name, () =>
      this.users.save(user, { avatarFile: name, avatarUrl: `/avatars/${name}` }),
    );
    await this.removeOf(user);
    return saved;
  }

  /** Saves changes of a user. A picture from elsewhere takes the place of our copy. */
  async saveUser(user: User, changes: Partial<User>): Promise<User> {
    if (changes.avatarUrl === undefined) return this.users.save(user, changes);
    const saved = await this.users.save(user, { ...changes, avatarFile: null });
    await this.removeOf(user);
    return saved;
  }

  async removeOf({ avatarFile }: Pick<User, 'avatarFile'>): Promise<void> {
    if (avatarFile) await this.folder.remove(avatarFile);
  }

  /** Only while it is somebody's picture, whatever still lies on the disk. */
  async send(reply: FastifyReply, name: string): Promise<StreamableFile> {
    const isShown = NAME.test(name) && (await this.rows.existsBy({ avatarFile: name }));
    const file = isShown ? await this.folder.open(name) : undefined;
    if (!file) throw new NotFoundError();
    const type = TYPES[name.split('.')[1] ?? ''] ?? '';
    return sendFile(reply, file, { name, type, cacheControl: 'private, max-age=86400' });
  }

  async names(): Promise<string[]> {
    const users = await this.rows.find({
      select: { id: true, avatarFile: true },
      where: { avatarFile: Not(IsNull()) },
    });
    return users.map(({ avatarFile }) => String(avatarFile));
  }

  async forget(avatarFile: string): Promise<void> {
    await this.rows.update({ avatarFile }, { avatarFile: null, avatarUrl: null });
  }
}

async function extensionOf(path: string): Promise<string> {
  const { ext = '' } = (await fileTypeFromFile(path)) ?? {};
  if (TYPES[ext] === undefined)
    throw new UnsupportedMediaTypeError('the picture must be JPEG, PNG, WebP or GIF');
  return ext;
}
