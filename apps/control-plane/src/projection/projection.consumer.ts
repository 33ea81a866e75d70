import { Controller, Inject } from '@nestjs/common';
import { Ctx, MessagePattern, NatsContext, Payload } from '@nestjs/microservices';
import { keyProjectReplySchema, keyProjectRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { readTraceparent } from '@tensorloop/messaging/trace-context';
import { generalProblems } from '@tensorloop/nest-kit/problem';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import type { Tracing } from '@tensorloop/observability/tracing';
import { TRACING } from '../tracing.types.js';
import { ProjectionService } from './projection.service.js';

const keyProject = defineRpc(RPC.controlKeyProject, keyProjectRequestSchema, keyProjectReplySchema);

@Controller()
export class ProjectionConsumer {
  constructor(
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(RpcResponder) private readonly responder: RpcResponder,
    @Inject(TRACING) private readonly tracing: Tracing,
  ) {}

  @MessagePattern(keyProject.pattern)
  async project(@Payload() payload: unknown, @Ctx() context: NatsContext) {
    const span = this.tracing.startSpan(keyProject.pattern, { role: 'server', parent: readTraceparent(context.getHeaders()) });
    const reply = await this.responder.answer(keyProject, payload, async ({ accountTag, keyHash, previousKeyHash }) => {
      try {
        return { ok: true as const, found: await this.projection.projectByHash({ accountTag, keyHash, previousKeyHash }) };
      } catch (cause) {
        throw generalProblems.unavailable({ cause, detail: 'the key could not be looked up or written to Redis' });
      }
    });
    if (!reply.ok) span.fail(reply.code);
    span.end();
    return reply;
  }
}
