import { Module } from '@nestjs/common';
import { SealingModule } from '../sealing/sealing.module.js';
import { MailService } from './mail.service.js';

@Module({ imports: [SealingModule], providers: [MailService], exports: [MailService] })
export class MailModule {}
