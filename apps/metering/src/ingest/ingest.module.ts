import { Module } from '@nestjs/common';
import { LedgerModule } from '../ledger/ledger.module.js';
import { LiveModule } from '../live/live.module.js';
import { PartitionsModule } from '../partitions/partitions.module.js';
import { PricesModule } from '../prices/prices.module.js';
import { RollupsModule } from '../rollups/rollups.module.js';
import { TotalsModule } from '../totals/totals.module.js';
import { RecordingModule } from '../usage/recording.module.js';
import { BookingReporter } from './booking.reporter.js';
import { BookingService } from './booking.service.js';
import { GatewayWatcher } from './gateway-watcher.js';
import { IngestConsumer } from './ingest.consumer.js';
import { IngestMetrics } from './ingest.metrics.js';
import { IngestRepository } from './ingest.repository.js';
import { IngestService } from './ingest.service.js';
import { ReplayReminder } from './replay-reminder.js';
import { SettlementPublisher } from './settlement.publisher.js';
import { StreamTrimmer } from './stream-trimmer.js';

@Module({
  imports: [LedgerModule, LiveModule, PartitionsModule, PricesModule, RecordingModule, RollupsModule, TotalsModule],
  providers: [
    IngestConsumer,
    IngestService,
    BookingService,
    BookingReporter,
    IngestRepository,
    IngestMetrics,
    SettlementPublisher,
    GatewayWatcher,
    StreamTrimmer,
    ReplayReminder,
  ],
})
export class IngestModule {}
