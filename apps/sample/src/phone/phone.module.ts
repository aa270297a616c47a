import { Module } from '@nestjs/common';
import { PhoneVerifier } from './phone-verifier.js';

@Module({ providers: [PhoneVerifier], exports: [PhoneVerifier] })
export class PhoneModule {}
