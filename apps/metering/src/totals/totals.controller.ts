import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc, RPC_TIMEOUT_MS } from '@tensorloop/nest-kit/rpc';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { CONFIG, type Config } from '../config.js';
import { TotalsService } from './totals.service.js';

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

const totalsGetOfAny = defineRpc(RPC.meteringTotalsGetOfAny, totalsGetRequestSchema, totalsGetReplySchema);
/** No queue group: every replica hears the question. */
const HEARD_BY_ALL = { queue: '' };

/** A total that lacks what is still to be booked again would let an account spend it twice. */
const REPLAYING = { ok: false as const, code: 'replaying', message: 'events are being booked again after a restore' };

@Controller()
export class TotalsController {
  constructor(
    @Inject(RpcResponder) private readonly responder: RpcResponder,
    private readonly totals: TotalsService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @MessagePattern(totalsGet.pattern)
  get(@Payload() payload: unknown) {
    return this.answer(payload);
  }

  /** The first answer counts, so whoever cannot tell says so only when nobody waits any more. */
  @MessagePattern(totalsGetOfAny.pattern, HEARD_BY_ALL)
  async getOfAny(@Payload() payload: unknown) {
    const reply = await this.answer(payload);
    if (!reply.ok) await delay(RPC_TIMEOUT_MS, undefined, { ref: false });
    return reply;
  }

  private answer(payload: unknown) {
    return this.responder.answer(totalsGet, payload, async ({ accountId, scopes, isWithRecent }) =>
      this.config.REPLAYING === 'true'
        ? REPLAYING
        : { ok: true as const, totals: await this.totals.get(accountId, scopes, isWithRecent === true) },
    );
  }
}
