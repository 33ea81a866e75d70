import type { IncomingMessage } from 'node:http';
import { type RequestCompleted, requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import { requestGetReplySchema, requestGetRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { isUuid7, uuid7Time } from '@tensorloop/kernel/uuid7';
import { defineRpc, type RpcClient } from '@tensorloop/nest-kit/rpc';
import type { AdmissionGate } from '../admission/admission-gate.service.js';
import { answerWithLeft } from '../admission/limits-left.service.js';
import type { RedisClock } from '../admission/redis-clock.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, apiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { type JsonAnswer, type Reply, sendJson } from '../errors/send-json.service.js';
import type { Journal } from '../journal/journal.service.js';
import type { JournalEntry } from '../journal/journal.types.js';
import { readAnthropicKey } from '../messages/messages.service.js';
import { openView, type RequestBody, viewOf } from './request-body.rules.js';

const requestGet = defineRpc(RPC.meteringRequestGet, requestGetRequestSchema, requestGetReplySchema);
const RETRY_SECONDS = 2;
/** A call of another gateway is known here once it has ended and is booked: longer than this it rarely takes. */
const BOOKED_MS_MAX = 15 * 60_000;

export interface RequestViewParts {
  hasher: KeyHasher;
  gate: AdmissionGate;
  journal: Pick<Journal, 'entries' | 'readCompleted'>;
  rpc: Pick<RpcClient, 'call'>;
  clock: Pick<RedisClock, 'nowMs'>;
}

/**
 * `GET /v1/requests/{id}`: what became of a call of one's own account, and what it cost. A call that this gateway's journal
 * still has is answered from there, one that is booked by metering. A call of another gateway is not found until it is booked, and whoever
 * asks for a recent one is told to come back.
 */
export class RequestView {
  constructor(private readonly parts: RequestViewParts) {}

  async get(req: IncomingMessage, id: string, reply: Reply): Promise<void> {
    sendJson(reply, await this.read(req, id));
  }

  private async read(req: IncomingMessage, id: string): Promise<JsonAnswer | ApiError> {
    const bearer = readAnthropicKey(req.headers);
    if (isApiError(bearer)) return bearer;
    const key = await this.parts.gate.findKeyWithLeft({
      accountTag: bearer.accountTag,
      keyHash: this.parts.hasher.hash(bearer.keyText),
    });
    if (isApiError(key)) return key;
    return answerWithLeft(await this.find(key.accountId, id), key);
  }

  private async find(accountId: string, id: string): Promise<RequestBody | ApiError> {
    if (!isUuid7(id)) return this.notFound(id);
    const entry = this.parts.journal.entries.get(id);
    if (entry === undefined) return this.booked(accountId, id);
    if (entry.accepted.accountId !== accountId) return this.notFound(id);
    return (await this.journalled(id, entry)) ?? this.booked(accountId, id);
  }

  /** Null when the entry left the journal meanwhile: then it is booked. */
  private async journalled(id: string, { accepted, completed }: JournalEntry): Promise<RequestBody | null> {
    if (completed === null) return openView(accepted);
    const payload = await this.parts.journal.readCompleted(id);
    // The record is on its way to the disk: the call has not ended for anybody yet.
    if (payload === null) return this.parts.journal.entries.has(id) ? openView(accepted) : null;
    const event: RequestCompleted = requestCompletedSchema.parse(JSON.parse(payload));
    return viewOf(event, { status: 'ended', lines: null });
  }

  private async booked(accountId: string, requestId: string): Promise<RequestBody | ApiError> {
    const reply = await this.parts.rpc.call(requestGet, { accountId, requestId });
    if (!reply.ok) {
      return unavailable(
        'request_lookup_unavailable',
        'The request could not be looked up at the moment. Try again shortly.',
        RETRY_SECONDS,
      );
    }
    return reply.found ? viewOf(reply.request, { status: 'booked', lines: reply.request.lines }) : this.notFound(requestId);
  }

  private notFound(id: string): ApiError {
    const message = `There is no request "${id.slice(0, 64)}" of this account.`;
    const isRecent = isUuid7(id) && this.parts.clock.nowMs() - uuid7Time(id) <= BOOKED_MS_MAX;
    if (!isRecent) return apiError('request_not_found', message);
    return apiError('request_not_found', `${message} One of another gateway is known here once it has ended and is booked.`, {
      headers: { 'retry-after': String(RETRY_SECONDS) },
    });
  }
}
