import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { AuditReport } from '@tensorloop/bench/audit/audit.types';
import { runAudit } from '@tensorloop/bench/audit/run-audit';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import type { Installation } from '../topology/installation.js';

/** Events that a gateway republishes wait 30 s, Redis is asked again every 5 s, a pull that was lost is noticed after 10 s. */
export const QUIESCENCE_TIMEOUT_MS = 120_000;
const REDELIVERY_MS = 2_000;
const NANOS_PER_MS = 1_000_000;

/** What a killed metering had in hand comes back after the consumer's ack_wait, a minute: shortened, as an operator could. */
export async function hastenRedelivery(installation: Pick<Installation, 'part'>): Promise<void> {
  const connection = await connect({ servers: installation.part('nats').url });
  try {
    const manager = await jetstreamManager(connection);
    await manager.consumers.update(REQUESTS_STREAM, METERING_CONSUMER, { ack_wait: REDELIVERY_MS * NANOS_PER_MS });
  } finally {
    await connection.close();
  }
}

/** Waits until nothing is under way, and runs the audit that `npm run audit` runs. */
export function auditQuiet(installation: Installation, onProgress: (line: string) => void): Promise<AuditReport> {
  return runAudit({
    ownerDatabaseUrl: installation.databaseUrls.owner,
    natsUrl: installation.part('nats').url,
    redisUrl: installation.part('redis').url,
    gatewayUrls: installation.gatewayUrls,
    session: null,
    oracleFile: installation.oracleFile,
    requestsMin: 1,
    quiescenceTimeoutMs: QUIESCENCE_TIMEOUT_MS,
    onProgress,
  });
}
