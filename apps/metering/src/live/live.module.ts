import { Module } from '@nestjs/common';
import { LiveService } from './live.service.js';

/** Tells whoever looks at an account that there is something new to see. */
@Module({ providers: [LiveService], exports: [LiveService] })
export class LiveModule {}
