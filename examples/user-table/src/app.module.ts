// #region app
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { WechatModule, wechatOptionsFromEnv } from 'nestjs-wechat';
import { LoginController } from './login.controller.js';
import { LogoutController } from './logout.controller.js';
import { MeController } from './me.controller.js';
import { RefreshController } from './refresh.controller.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({
        type: 'postgres',
        url: process.env['DATABASE_URL'],
        entities: [User],
        synchronize: true, // in production use migrations
      }),
    }),
    TypeOrmModule.forFeature([User]),
    WechatModule.forRootAsync({
      useFactory: () => ({ ...wechatOptionsFromEnv(process.env), users: UsersService }),
    }),
  ],
  controllers: [LoginController, RefreshController, LogoutController, MeController],
  providers: [UsersService],
})
export class AppModule {}
// #endregion app
