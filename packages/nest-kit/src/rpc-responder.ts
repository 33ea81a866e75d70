import { Inject, Injectable } from '@nestjs/common';
import type { RpcFailure } from '@tensorloop/contracts/rpc';
import type { Logger } from '@tensorloop/observability/logger';
import { z } from 'zod';
import { LOGGER } from './logging.js';
import { ProblemError } from './problem.js';
import type { RpcContract } from './rpc.js';

/**
 * The serving side of a call. In a controller:
 *
 *     @MessagePattern(totalsGet.pattern)
 *     get(@Payload() payload: unknown) {
 *       return this.responder.answer(totalsGet, payload, (request) => this.totals.get(request));
 *     }
 */
@Injectable()
export class RpcResponder {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /**
   * Validates the payload, runs the handler, validates its reply. Never rejects: a payload that does not fit is
   * `invalid_request`, a thrown ProblemError is its code and public text, anything else is `internal_error`, logged.
   */
  async answer<Request, Reply extends { ok: boolean }>(
    contract: RpcContract<Request, Reply>,
    payload: unknown,
    handle: (request: NoInfer<Request>) => Promise<Reply>,
  ): Promise<Reply | RpcFailure> {
    const request = contract.request.safeParse(payload);
    if (!request.success) return { ok: false, code: 'invalid_request', message: z.prettifyError(request.error) };
    try {
      return contract.reply.parse(await handle(request.data));
    } catch (error) {
      if (error instanceof ProblemError && error.kind !== 'internal')
        return { ok: false, code: error.code, message: error.detail };
      this.logger.error({ err: error, pattern: contract.pattern }, 'an RPC handler failed');
      return { ok: false, code: 'internal_error', message: 'the service failed' };
    }
  }
}
