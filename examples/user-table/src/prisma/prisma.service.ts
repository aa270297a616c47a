import type { User } from '../user.entity.js';

/**
 * The two calls of Prisma's generated client that the example uses, so that it compiles without generated code. In your project it is
 * `class PrismaService extends PrismaClient`.
 */
export abstract class PrismaService {
  abstract readonly user: {
    upsert(args: {
      where: { appId_openid: { appId: string; openid: string } };
      create: { appId: string; openid: string; unionid?: string };
      update: { unionid?: string };
    }): Promise<User>;
    findUnique(args: {
      where: { appId_openid: { appId: string; openid: string } };
    }): Promise<User | null>;
  };
}
