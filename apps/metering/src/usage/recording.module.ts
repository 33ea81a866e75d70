import { Module } from '@nestjs/common';
import { RecordingRepository } from './recording.repository.js';
import { RecordingService } from './recording.service.js';

/** The writing side of usage, apart from the reading side: it runs as another database role. */
@Module({ providers: [RecordingService, RecordingRepository], exports: [RecordingService] })
export class RecordingModule {}
