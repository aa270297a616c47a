import { Module } from '@nestjs/common';
import { VerifiedPhones } from './verified-phones.js';

@Module({ providers: [VerifiedPhones], exports: [VerifiedPhones] })
export class PhoneModule {}
