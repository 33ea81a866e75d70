import { Module } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import type { Tracing } from '@tensorloop/observability/tracing';
import { AdmissionModule } from '../admission/admission.module.js';
import { AdmissionGate } from '../admission/admission-gate.service.js';
import { KeyHasher } from '../auth/key-hasher.service.js';
import { CONFIG, type Config } from '../config.js';
import type { ApiError } from '../errors/api-error.types.js';
import { GatewayMetrics } from '../health/gateway-metrics.service.js';
import { DiskGuard } from '../journal/disk-guard.service.js';
import { JournalModule } from '../journal/journal.module.js';
import { Journal } from '../journal/journal.service.js';
import { JournalHome } from '../journal/journal-home.service.js';
import { messages } from '../messages/messages.service.js';
import { TokenCounting } from '../messages/token-counting.service.js';
import { ModelStore } from '../models/model-store.service.js';
import { ModelsModule } from '../models/models.module.js';
import { ModelsList } from '../models/models-list.service.js';
import { RefusalEvents, type RefusedCall } from '../refusals/refusal-events.service.js';
import { RefusalsModule } from '../refusals/refusals.module.js';
import { Dispatcher } from '../routing/dispatcher.service.js';
import { RoutingModule } from '../routing/routing.module.js';
import { TRACING } from '../settings.module.js';
import { CallSettler } from '../settlement/call-settler.service.js';
import { RedisWrites } from '../settlement/redis-writes.service.js';
import { SettlementModule } from '../settlement/settlement.module.js';
import { Shipper } from '../settlement/shipper.service.js';
import { Credentials } from '../upstreams/credentials.service.js';
import { TokenEstimator } from '../usage/token-estimator.service.js';
import type { AnswerContext } from './answer.types.js';
import { CallDrain } from './call-drain.service.js';
import { Capacity } from './capacity.service.js';
import { InferenceCalls } from './inference-call.js';
import { KEPT_BLOCK_BYTES, KeptBlocks } from './kept-blocks.js';
import { Lateness } from './lateness.service.js';
import { OpenCalls } from './open-calls.service.js';
import { Specimens } from './specimens.service.js';
import { TargetFinder } from './target.js';
import { Ticker } from './ticker.service.js';
import { upstreamError } from './upstream-errors.js';

/** What all open streams together keep, in case their upstream reports no usage. */
const KEPT_BYTES_TOTAL_MAX = 64 * 1024 * 1024;
/** Injection token of what serving an answer needs. */
const ANSWERS = Symbol('ANSWERS');

type CapacityTuple = [DiskGuard, ModelStore, RedisWrites, Shipper, OpenCalls, AdmissionGate, Lateness];
type AnswersTuple = [CallSettler, Journal, TokenEstimator, Ticker, OpenCalls, Credentials, Logger];
type CountingTuple = [KeyHasher, AdmissionGate, ModelStore, TargetFinder, Dispatcher];
type CallsTuple = [
  JournalHome,
  Capacity,
  KeyHasher,
  AdmissionGate,
  ModelStore,
  TargetFinder,
  Dispatcher,
  AnswerContext,
  Tracing,
  GatewayMetrics,
  RefusalEvents,
];

@Module({
  imports: [JournalModule, AdmissionModule, ModelsModule, RefusalsModule, RoutingModule, SettlementModule],
  providers: [
    OpenCalls,
    TokenEstimator,
    { provide: Ticker, useFactory: () => new Ticker() },
    { provide: Specimens, useFactory: () => new Specimens() },
    {
      provide: Lateness,
      inject: [CONFIG, AdmissionGate],
      useFactory: (config: Config, gate: AdmissionGate) => {
        const lateness = new Lateness(config.LATE_MS);
        gate.onAnswered((waitedMs) => lateness.noteAdmission(waitedMs));
        return lateness;
      },
    },
    {
      provide: DiskGuard,
      inject: [JournalHome, Journal, OpenCalls],
      useFactory: (home: JournalHome, journal: Journal, openCalls: OpenCalls) =>
        new DiskGuard({ folder: home.folder, journal, openCalls: () => openCalls.size }),
    },
    {
      provide: Capacity,
      inject: [DiskGuard, ModelStore, RedisWrites, Shipper, OpenCalls, AdmissionGate, Lateness],
      useFactory: (...[disk, models, writes, shipper, openCalls, gate, lateness]: CapacityTuple) =>
        new Capacity({ disk, models, writes, shipper, openCalls, gate, lateness }),
    },
    {
      provide: CallDrain,
      inject: [OpenCalls, Capacity, CONFIG],
      useFactory: (openCalls: OpenCalls, capacity: Capacity, config: Config) =>
        new CallDrain(openCalls, capacity, config.DRAIN_MS),
    },
    {
      provide: ModelsList,
      inject: [KeyHasher, AdmissionGate, ModelStore],
      useFactory: (hasher: KeyHasher, gate: AdmissionGate, models: ModelStore) => new ModelsList({ hasher, gate, models }),
    },
    {
      provide: TargetFinder,
      inject: [AdmissionGate, ModelStore, Credentials],
      useFactory: (gate: AdmissionGate, models: ModelStore, credentials: Credentials) =>
        new TargetFinder({ gate, models, credentials }),
    },
    {
      provide: TokenCounting,
      inject: [KeyHasher, AdmissionGate, ModelStore, TargetFinder, Dispatcher],
      useFactory: (...[hasher, gate, models, targets, dispatcher]: CountingTuple) =>
        new TokenCounting({
          hasher,
          gate,
          dispatcher,
          isReady: () => models.isReady,
          findTarget: (model, key) => targets.find(messages, model, key),
          refusalOf: upstreamError,
        }),
    },
    {
      provide: ANSWERS,
      inject: [CallSettler, Journal, TokenEstimator, Ticker, OpenCalls, Credentials, LOGGER],
      useFactory: (...[settler, journal, estimator, ticker, openCalls, credentials, logger]: AnswersTuple): AnswerContext => {
        const onDefect = (err: unknown, requestId: string) =>
          logger.error({ err, requestId }, 'a call could not be settled as it ended');
        const keptBlocks = new KeptBlocks(KEPT_BYTES_TOTAL_MAX / KEPT_BLOCK_BYTES);
        return { settler, journal, estimator, ticker, openCalls, credentials, keptBlocks, onDefect };
      },
    },
    {
      provide: InferenceCalls,
      inject: [
        JournalHome,
        Capacity,
        KeyHasher,
        AdmissionGate,
        ModelStore,
        TargetFinder,
        Dispatcher,
        ANSWERS,
        TRACING,
        GatewayMetrics,
        RefusalEvents,
      ],
      useFactory: (
        ...[home, capacity, hasher, gate, models, targets, dispatcher, answers, tracing, ...telling]: CallsTuple
      ) => {
        const [metrics, refusals] = telling;
        const onRefused = (error: ApiError, call: RefusedCall) => {
          metrics.refused(error);
          refusals.note(error, call);
        };
        const onAdmitted = (seconds: number) => metrics.admitted(seconds);
        return new InferenceCalls({
          gatewayId: home.gatewayId,
          capacity,
          hasher,
          gate,
          models,
          targets,
          dispatcher,
          answers,
          tracing,
          onRefused,
          onAdmitted,
        });
      },
    },
  ],
  exports: [
    OpenCalls,
    TokenEstimator,
    Ticker,
    Lateness,
    DiskGuard,
    Capacity,
    CallDrain,
    Specimens,
    ModelsList,
    InferenceCalls,
    TokenCounting,
  ],
})
export class ProxyModule {}
