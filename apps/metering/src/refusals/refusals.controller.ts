import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { refusalsListReplySchema, refusalsListRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { RefusalsService } from './refusals.service.js';

const refusalsList = defineRpc(RPC.meteringRefusalsList, refusalsListRequestSchema, refusalsListReplySchema);

@Controller()
export class RefusalsController {
  constructor(
    @Inject(RpcResponder) private readonly responder: RpcResponder,
    private readonly refusals: RefusalsService,
  ) {}

  @MessagePattern(refusalsList.pattern)
  list(@Payload() payload: unknown) {
    return this.responder.answer(refusalsList, payload, (request) => this.refusals.list(request));
  }
}
