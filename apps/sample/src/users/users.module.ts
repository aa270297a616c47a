import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Identity } from './identity.entity.js';
import { PhoneNumbersService } from './phone-numbers.service.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([User, Identity])],
  providers: [UsersService, PhoneNumbersService],
  exports: [UsersService, PhoneNumbersService],
})
export class UsersModule {}
