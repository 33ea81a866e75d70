import { Module } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { JournalModule } from '../journal/journal.module.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { ModelStore } from './model-store.service.js';
import { SnapshotCache } from './snapshot-cache.js';

@Module({
  imports: [JournalModule],
  providers: [
    {
      provide: ModelStore,
      inject: [JournalHome, LOGGER],
      useFactory: (home: JournalHome, logger: Logger) =>
        new ModelStore(
          new SnapshotCache(home.snapshotsFolder, (err) => logger.warn({ err }, 'a snapshot could not be kept on the disk')),
        ),
    },
  ],
  exports: [ModelStore],
})
export class ModelsModule {}
