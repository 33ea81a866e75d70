import { Injectable } from '@nestjs/common';
import { failPoint } from '@tensorloop/nest-kit/fail-points';
import { LedgerService } from '../ledger/ledger.service.js';
import { RollupsService } from '../rollups/rollups.service.js';
import { TotalsService } from '../totals/totals.service.js';
import { RecordingService } from '../usage/recording.service.js';
import type { PricedCall } from '../usage/usage.types.js';
import { IngestRepository } from './ingest.repository.js';
import type { IncomingMessage, Judged, Quarantined } from './ingest.types.js';
import { type Settlement, scopesOfTargets, toSettlements } from './settlement.rules.js';

/** What one committed batch came to. */
export interface Booking {
  booked: PricedCall[];
  /** What true ends added to estimates that had been booked. */
  corrected: PricedCall[];
  duplicates: number;
  quarantined: Quarantined[];
  settlements: Settlement[];
}

/** Books judged messages. Everything a batch means is in one transaction, so that no crash leaves a charge without its row. */
@Injectable()
export class BookingService {
  constructor(
    private readonly repository: IngestRepository,
    private readonly recording: RecordingService,
    private readonly ledger: LedgerService,
    private readonly rollups: RollupsService,
    private readonly totals: TotalsService,
  ) {}

  /** Throws when the transaction failed or its outcome is unknown; booking the same messages again is then harmless. */
  book(batch: readonly Judged[]): Promise<Booking> {
    const messages = new Map<PricedCall, IncomingMessage>();
    for (const { message, verdict } of batch) {
      if ('call' in verdict) messages.set(verdict.call, message);
    }
    const targets = batch.flatMap(({ verdict }) => verdict.target ?? []);
    return this.repository.transaction(async (tx) => {
      const { fresh, duplicates, corrections, mismatches } = await this.recording.record(tx, [...messages.keys()]);
      await this.ledger.post(tx, fresh);
      const corrected = await this.ledger.correct(tx, corrections);
      const added = corrected.length === 0 ? fresh : [...fresh, ...corrected];
      const altered = mismatches.map((call) => toAltered(call, messages.get(call) as IncomingMessage));
      const quarantined = [...batch.flatMap(toRejected), ...altered];
      if (quarantined.length > 0) await this.repository.quarantine(tx, quarantined);
      await this.rollups.add(tx, added);
      const totals = await this.totals.add(tx, added, scopesOfTargets(targets));
      failPoint('metering.before_commit');
      const settlements = toSettlements(targets, totals);
      return { booked: fresh, corrected, duplicates: duplicates.length, quarantined, settlements };
    });
  }
}

function toRejected({ message, verdict }: Judged): Quarantined[] {
  return 'rejection' in verdict ? [{ ...verdict.rejection, message, requestId: verdict.target?.requestId ?? null }] : [];
}

function toAltered(call: PricedCall, message: IncomingMessage): Quarantined {
  const { requestId } = call.event;
  return { reason: 'payload_mismatch', detail: `${requestId} is booked with other content`, message, requestId };
}
