import { Inject, Injectable } from '@nestjs/common';
import { generalProblems, type ProblemError } from '@tensorloop/nest-kit/problem';
import type { Principal } from '../access/principal.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { OperatorAccessRepository } from './operator-access.repository.js';
import { operatorProblems } from './operators.errors.js';

/** An operator's browser left open changes no account of anybody: a change asks for a sign-in that is no older. */
export const OPERATOR_SIGN_IN_AGE_MS_MAX = 15 * 60_000;

/** Who may use routes of access level `operator`. */
@Injectable()
export class OperatorAccessService {
  constructor(
    @Inject(OperatorAccessRepository) private readonly repository: OperatorAccessRepository,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Null = welcome. Whoever is no operator, or not signed in, is told what a route that does not exist tells. */
  async findRefusal(principal: Principal | null, isChange: boolean): Promise<ProblemError | null> {
    // A script's token is of an account, not of a person: it never operates.
    if (principal === null || principal.kind !== 'session') return generalProblems.not_found();
    const { userId, credentialId } = principal;
    if (!(await this.repository.isOperator(userId))) return generalProblems.not_found();
    if (!isChange) return null;
    const signedInAt = await this.repository.findSignIn(userId, credentialId);
    const isRecent = signedInAt !== null && this.clock() - signedInAt.getTime() < OPERATOR_SIGN_IN_AGE_MS_MAX;
    return isRecent ? null : operatorProblems.operator_sign_in_again();
  }
}
