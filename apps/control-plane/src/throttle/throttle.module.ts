import { Module } from '@nestjs/common';
import { RedisModule } from '../redis/redis.module.js';
import { ThrottleService } from './throttle.service.js';

@Module({ imports: [RedisModule], providers: [ThrottleService], exports: [ThrottleService] })
export class ThrottleModule {}
