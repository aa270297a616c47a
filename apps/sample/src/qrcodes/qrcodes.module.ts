import { Module } from '@nestjs/common';
import { UserLimits } from '../common/user-limits.js';
import { QrCodeRateLimit } from './qrcode-rate-limit.js';
import { QrCodesController } from './qrcodes.controller.js';

@Module({ controllers: [QrCodesController], providers: [QrCodeRateLimit, UserLimits] })
export class QrCodesModule {}
