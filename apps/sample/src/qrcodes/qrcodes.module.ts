import { Module } from '@nestjs/common';
import { QrCodesController } from './qrcodes.controller.js';

@Module({ controllers: [QrCodesController] })
export class QrCodesModule {}
