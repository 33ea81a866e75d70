import { Global, Module } from '@nestjs/common';
import { IdempotencyPurge } from './idempotency.purge.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { IdempotencyService } from './idempotency.service.js';
import { IdempotencyTrail } from './idempotency.trail.js';

/** Global: whatever mints or moves money records its answer. */
@Global()
@Module({
  providers: [IdempotencyService, IdempotencyTrail, IdempotencyRepository, IdempotencyPurge],
  exports: [IdempotencyService, IdempotencyTrail],
})
export class IdempotencyModule {}
