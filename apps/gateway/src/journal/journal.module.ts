import { Module } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';
import { Journal } from './journal.service.js';
import { JournalHome } from './journal-home.service.js';
import { SegmentFiles } from './segment-files.js';

@Module({
  providers: [
    {
      provide: JournalHome,
      inject: [CONFIG],
      useFactory: (config: Config) => JournalHome.open(config.JOURNAL_DIR, config.GATEWAY_ID),
    },
    {
      provide: Journal,
      inject: [JournalHome],
      useFactory: (home: JournalHome) => new Journal(new SegmentFiles(home.segmentsFolder)),
    },
  ],
  exports: [JournalHome, Journal],
})
export class JournalModule {}
