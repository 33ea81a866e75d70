import { Controller, Get, Inject, type OnModuleDestroy, Req, Res } from '@nestjs/common';
import { CHANGE_KINDS } from '@tensorloop/contracts/account-changed';
import { Access, RawResponse } from '@tensorloop/nest-kit/access';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import { Description, Problems, Summary, TakesHeader } from '@tensorloop/nest-kit/operation';
import { exhaustedHeaders } from '@tensorloop/nest-kit/rate-limit';
import type { Logger } from '@tensorloop/observability/logger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { EventStream } from './event-stream.js';
import { eventProblems } from './events.errors.js';
import { LiveEvents, STREAMS_PER_ACCOUNT_MAX } from './live-events.service.js';
import { StreamAccessService } from './stream-access.service.js';

const PERMISSION = 'usage:read';
const RETRY_MS = 5_000;
const REFUSAL_HEADERS = {
  too_many_streams: exhaustedHeaders({ name: 'streams-by-account', quota: STREAMS_PER_ACCOUNT_MAX }, RETRY_MS),
  streams_unavailable: { 'retry-after': String(RETRY_MS / 1_000) },
};
/** A heartbeat keeps proxies from closing the stream, and goes only to who may still have it. */
export const HEARTBEAT_MS = 15_000;

const DESCRIPTION = `Server-sent events, each with \`event\` and, as \`data\`, a JSON object; with \`id\` too, from which to go on, save for a \`ready\` that missed events follow. They say what changed and never how: ask for it again.

- \`ready\`, \`{}\`: the stream stands; changes from here on are told.
- \`changed\`, \`{"kinds":["keys"]}\`: one or more of ${CHANGE_KINDS.map((kind) => `\`${kind}\``).join(', ')}. Others may be added: ignore those you do not know.
- \`reset\`, \`{}\`: some changes were missed; ask for everything that is shown.

A comment comes every ${HEARTBEAT_MS / 1_000} seconds. The stream ends when whoever opened it would not be let in any more; come back with \`Last-Event-ID\`, as browsers do by themselves.`;
const LAST_EVENT_ID = {
  name: 'Last-Event-ID',
  description:
    'The `id` of the last event that was heard: what came since is told first, or `reset` where it is not known any more.',
  schema: { type: 'string' },
};

@Controller('api/events')
@Access('account')
export class EventsController implements OnModuleDestroy {
  private readonly open = new Set<EventStream>();

  constructor(
    @Inject(LiveEvents) private readonly live: LiveEvents,
    @Inject(StreamAccessService) private readonly access: StreamAccessService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Streams would keep the server from closing. Browsers come back by themselves, to another replica. */
  onModuleDestroy(): void {
    for (const stream of this.open) stream.end();
  }

  /** Says what changed and not how: who hears of it asks again, and is answered as any other. */
  @Get()
  @Permit(PERMISSION)
  @Summary('Hear of changes as they happen (server-sent events)')
  @Description(DESCRIPTION)
  @TakesHeader(LAST_EVENT_ID)
  @Problems(eventProblems.too_many_streams, eventProblems.streams_unavailable)
  @RawResponse('server-sent events, for as long as the connection lasts', 'text/event-stream')
  async listen(@CurrentPrincipal() principal: Principal, @Req() req: Request, @Res() res: Response): Promise<void> {
    const stream = new EventStream(res);
    const lastEventId = req.headers['last-event-id'];
    const joined = await this.live.join(
      principal.accountId,
      (event) => stream.send(event),
      typeof lastEventId === 'string' ? lastEventId : null,
    );
    if ('refusal' in joined) throw eventProblems[joined.refusal]({ headers: REFUSAL_HEADERS[joined.refusal] });
    this.open.add(stream);
    const timer = setInterval(() => void this.beat(stream, { principal, req }), HEARTBEAT_MS);
    stream.onEnd(() => {
      clearInterval(timer);
      joined.leave();
      this.open.delete(stream);
    });
    stream.begin();
  }

  /** Where it cannot be found out who may listen, nobody does: the browser asks again and is told why. */
  private async beat(stream: EventStream, { principal, req }: { principal: Principal; req: Request }): Promise<void> {
    const isPermitted = await this.access.isStillPermitted(req, principal, PERMISSION).catch((err: unknown) => {
      this.logger.warn({ err }, 'who may hear of changes cannot be found out');
      return false;
    });
    if (isPermitted) stream.beat();
    else stream.end();
  }
}
