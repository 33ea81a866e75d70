import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { TotalsService } from './totals.service.js';

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

@Controller()
export class TotalsController {
  constructor(
    @Inject(RpcResponder) private readonly responder: RpcResponder,
    private readonly totals: TotalsService,
  ) {}

  @MessagePattern(totalsGet.pattern)
  get(@Payload() payload: unknown) {
    return this.responder.answer(totalsGet, payload, async ({ accountId, scopes }) => ({
      ok: true as const,
      totals: await this.totals.get(accountId, scopes),
    }));
  }
}
