import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { keyProjectReplySchema, keyProjectRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { generalProblems } from '@tensorloop/nest-kit/problem';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { ProjectionService } from './projection.service.js';

const keyProject = defineRpc(RPC.controlKeyProject, keyProjectRequestSchema, keyProjectReplySchema);

@Controller()
export class ProjectionConsumer {
  constructor(
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(RpcResponder) private readonly responder: RpcResponder,
  ) {}

  @MessagePattern(keyProject.pattern)
  project(@Payload() payload: unknown) {
    return this.responder.answer(keyProject, payload, async ({ accountTag, keyHash }) => {
      try {
        return { ok: true as const, found: await this.projection.projectByHash(accountTag, keyHash) };
      } catch (cause) {
        throw generalProblems.unavailable({ cause, detail: 'the key could not be looked up or written to Redis' });
      }
    });
  }
}
