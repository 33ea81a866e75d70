import { Module } from '@nestjs/common';
import { OperatorAccessRepository } from './operator-access.repository.js';
import { OperatorAccessService } from './operator-access.service.js';

/** Apart from the operators' routes, so that the guard needs nothing of theirs. */
@Module({ providers: [OperatorAccessService, OperatorAccessRepository], exports: [OperatorAccessService] })
export class OperatorAccessModule {}
