import {
  Body,
  Controller,
  Get,
  HttpCode,
  Ip,
  Patch,
  Post,
  Put,
  Req,
  UseGuards,
} from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentSession, CurrentUser, SessionGuard } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { AvatarsService } from '../avatars/avatars.service.js';
import { LoginRateLimit } from '../common/rate-limit.module.js';
import { NickNames } from '../content/nick-names.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import { TakesUpload } from '../files/multipart.js';
import { PhoneDto } from '../phone/phone.dto.js';
import { PhoneVerifier } from '../phone/phone-verifier.js';
import { PhoneNumbersService } from '../users/phone-numbers.service.js';
import type { User } from '../users/user.entity.js';
import { UserView } from '../users/user.view.js';
import { UsersService } from '../users/users.service.js';
import { NickNameDto, ProfileDto } from './me.dto.js';
import { ProfileService } from './profile.service.js';

/** wx.request has no PATCH and wx.uploadFile has only POST, so both routes have a second name that a mini program can call. */
const FOR_MINI_PROGRAMS = 'The same under another method, because';
const NO_PATCH = `${FOR_MINI_PROGRAMS} wx.request sends no PATCH.`;
const ONLY_POST = `${FOR_MINI_PROGRAMS} wx.uploadFile sends nothing but POST.`;

const NAME_ERRORS = [
  'ERR_BAD_REQUEST',
  'ERR_CONTENT_REFUSED',
  'ERR_WECHAT_SESSION',
  'ERR_WECHAT_NOT_VISITED',
  'ERR_WECHAT_RATE_LIMIT',
  'ERR_WECHAT_UNAVAILABLE',
] as const;
const PICTURE_ERRORS = [
  'ERR_BAD_REQUEST',
  'ERR_WECHAT_SESSION',
  'TOO_LARGE',
  'WRONG_TYPE',
  'NO_ROOM',
  'ERR_WECHAT_RATE_LIMIT',
] as const;

@ApiTags('me')
@ApiBearerAuth()
@Controller('me')
@UseGuards(SessionGuard)
export class MeController {
  constructor(
    private readonly profiles: ProfileService,
    private readonly avatars: AvatarsService,
    private readonly phones: PhoneVerifier,
    private readonly numbers: PhoneNumbersService,
    private readonly users: UsersService,
    private readonly nickNames: NickNames,
    private readonly rateLimit: LoginRateLimit,
  ) {}

  @Get()
  @ApiOperation({ summary: 'My account' })
  @ApiEnvelope(UserView)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_STORE_UNAVAILABLE')
  me(@CurrentUser() user: User): UserView {
    return UserView.of(user);
  }

  @Put('profile')
  @ApiOperation({ summary: 'Save the profile that WeChat signed and encrypted' })
  @ApiEnvelope(UserView)
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SIGNATURE',
    'ERR_WECHAT_DECRYPT',
    'ERR_WECHAT_SESSION',
    'ERR_WECHAT_RATE_LIMIT',
  )
  async saveProfile(
    @CurrentSession() session: WechatSession,
    @CurrentUser() user: User,
    @Body() profile: ProfileDto,
  ): Promise<UserView> {
    return UserView.of(await this.profiles.save(session, user, profile));
  }

  @Patch()
  @ApiOperation({ summary: 'Change my name', description: 'Fields that are absent do not change.' })
  @ApiEnvelope(UserView)
  @ApiErrors(...NAME_ERRORS)
  async change(
    @CurrentSession() session: WechatSession,
    @CurrentUser() user: User,
    @Body() { nickName }: NickNameDto,
  ): Promise<UserView> {
    const changes = await this.nickNames.check(session, { nickName });
    return UserView.of(await this.users.save(user, changes));
  }

  @Put()
  @ApiOperation({ summary: 'Change my name, from a mini program', description: NO_PATCH })
  @ApiEnvelope(UserView)
  @ApiErrors(...NAME_ERRORS)
  put(
    @CurrentSession() session: WechatSession,
    @CurrentUser() user: User,
    @Body() changes: NickNameDto,
  ): Promise<UserView> {
    return this.change(session, user, changes);
  }

  @Put('avatar')
  @TakesUpload()
  @ApiOperation({
    summary: 'Change my picture',
    description:
      'JPEG, PNG, WebP or GIF, by content; up to 2 MB. avatarUrl of the response is its address, or still the old one while the picture is checked: GET /me/content.',
  })
  @ApiEnvelope(UserView)
  @ApiErrors(...PICTURE_ERRORS)
  async putAvatar(@CurrentUser() user: User, @Req() request: FastifyRequest): Promise<UserView> {
    return UserView.of(await this.avatars.upload(user, request));
  }

  @Post('avatar')
  @HttpCode(200)
  @TakesUpload()
  @ApiOperation({ summary: 'Change my picture, from a mini program', description: ONLY_POST })
  @ApiEnvelope(UserView)
  @ApiErrors(...PICTURE_ERRORS)
  postAvatar(@CurrentUser() user: User, @Req() request: FastifyRequest): Promise<UserView> {
    return this.putAvatar(user, request);
  }

  @Put('phone')
  @ApiOperation({ summary: 'Set my phone number to the one that WeChat has verified' })
  @ApiEnvelope(UserView)
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_DECRYPT',
    'ERR_WECHAT_SESSION',
    'ERR_WECHAT_CODE',
    'ERR_PHONE_TAKEN',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async savePhone(
    @CurrentSession() session: WechatSession,
    @CurrentUser() user: User,
    @Body() phone: PhoneDto,
    @Ip() address: string,
  ): Promise<UserView> {
    await this.rateLimit.count(address);
    const verified = await this.phones.verify(session, phone);
    return UserView.of(await this.numbers.setNumber(session, user, verified));
  }
}
