import { Module } from '@nestjs/common';
import { QrCodeRateLimit } from './qrcode-rate-limit.js';
import { QrCodesController } from './qrcodes.controller.js';

@Module({ controllers: [QrCodesController], providers: [QrCodeRateLimit] })
export class QrCodesModule {}
