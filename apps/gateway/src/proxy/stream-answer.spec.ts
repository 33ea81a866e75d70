import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { NO_TRACING } from '@tensorloop/observability/tracing';
import { testModel, testPrice } from '../../test/test-models.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import type { UpstreamFlow } from '../upstreams/upstream.types.js';
import { openAiTextReading } from '../usage/openai-text-reading.service.js';
import { DRAIN_MS_MAX, REST_BYTES_MAX, REST_MS_MAX } from './answer.js';
import type { AnswerContext } from './answer.types.js';
import { KeptBlocks } from './kept-blocks.js';
import { OpenCall, type OpenCallOptions } from './open-call.js';
import { StreamAnswer } from './stream-answer.js';

const STREAM_HEAD = { 'content-type': 'text/event-stream' };
const WORD = 'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}\n\n';
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n';
const DONE = 'data: [DONE]\n\n';

/** A streamed call whose client takes bytes or does not, and what became of it. */
function world({ isClientSlow, isJournalBroken = false }: { isClientSlow: boolean; isJournalBroken?: boolean }) {
  const seen: string[] = [];
  const ticked = new Set<unknown>();
  let ending: { outcome: string; usage: object } | null = null;
  const flow: UpstreamFlow = {
    pause: () => seen.push('pause'),
    resume: () => seen.push('resume'),
    abort: () => seen.push('abort'),
  };
  const res = Object.assign(new EventEmitter(), {
    closed: false,
    destroyed: false,
    writableLength: 0,
    writeHead: () => undefined,
    write: () => !isClientSlow,
    end: () => seen.push('end'),
    setTimeout: () => undefined,
    destroy: () => seen.push('destroy'),
  });
  const stock = new KeptBlocks(10);
  const call = new OpenCall({
    accepted: { requestId: 'r', admittedAtMs: 0, price: testPrice('m') },
    body: Buffer.alloc(0),
    request: null,
    lease: { letGo: () => undefined },
    clamp: null,
    reading: openAiTextReading('chat')(false),
    skin: OPENAI_SKIN,
    res: res as unknown as ServerResponse,
    headers: [],
    durable: Promise.resolve(),
    trace: { tracing: NO_TRACING, span: NO_TRACING.startSpan('test', { role: 'server', parent: null }) },
  } as unknown as OpenCallOptions);
  const answer = new StreamAnswer(call, {
    settler: {
      finish: async (_accepted: unknown, { outcome, usage }: { outcome: string; usage: object }) => {
        if (isJournalBroken) throw new Error('not written');
        ending = { outcome, usage };
        return { chargeNanoUsd: '0' };
      },
    },
    journal: { progress: () => undefined },
    ticker: { add: (one: unknown) => ticked.add(one), delete: (one: unknown) => ticked.delete(one) },
    openCalls: { delete: () => undefined },
    estimator: { count: async () => 1_000 },
    keptBlocks: stock,
    onDefect: (error: unknown) => seen.push(String(error)),
  } as unknown as AnswerContext);
  return { seen, ticked, flow, stock, answer, call, res, ending: () => ending };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Its head has come, and the call is durable. */
async function begin({ flow, answer }: ReturnType<typeof world>): Promise<void> {
  answer.onStart(flow);
  await settled();
  answer.onHead(200, STREAM_HEAD);
}

describe('a streamed answer', () => {
  it('that ends while its client is behind leaves its provider’s connection flowing, so that it becomes free', async () => {
    const here = world({ isClientSlow: true });
    const { seen, stock, answer } = here;
    await begin(here);
    answer.onData(Buffer.from(WORD + USAGE + DONE));
    await settled();
    expect(seen).toEqual(['pause', 'resume', 'end']);
    expect(stock.blocksTaken).toBe(0);
  });

  it('that reports an error is given up, and says whose it is', async () => {
    const here = world({ isClientSlow: false });
    const { seen, answer } = here;
    await begin(here);
    answer.onData(Buffer.from(`${WORD}data: {"error":{"code":"server_error"}}\n\n`));
    await settled();
    expect(seen).toEqual(['abort', 'end']);
    expect(answer.flaw).toBe(500);
  });

  it('whose provider goes on behind its end is given up, so that the connection becomes free', async () => {
    const here = world({ isClientSlow: false });
    const { seen, answer } = here;
    await begin(here);
    answer.onData(Buffer.from(WORD + USAGE + DONE));
    await settled();
    answer.onData(Buffer.alloc(REST_BYTES_MAX, ':\n'));
    expect(seen).toEqual(['resume', 'end']);
    answer.onData(Buffer.from(':\n'));
    expect(seen).toEqual(['resume', 'end', 'abort']);
  });

  it('whose provider says nothing more and does not end either is given up after a while', async () => {
    const here = world({ isClientSlow: false });
    const { seen, ticked, answer } = here;
    await begin(here);
    answer.onData(Buffer.from(WORD + USAGE + DONE));
    await settled();
    answer.tick(performance.now() + REST_MS_MAX - 1_000);
    expect([seen, ticked.size]).toEqual([['resume', 'end'], 1]);
    answer.tick(performance.now() + REST_MS_MAX);
    expect([seen, ticked.size]).toEqual([['resume', 'end', 'abort'], 0]);
  });

  it.each([
    ['ended', (answer: StreamAnswer) => answer.onEnd()],
    ['broke off', (answer: StreamAnswer) => answer.onFailure('cut')],
  ])('whose provider %s right behind it is looked after no longer', async (_, end) => {
    const here = world({ isClientSlow: false });
    const { seen, ticked, answer } = here;
    await begin(here);
    answer.onData(Buffer.from(WORD + USAGE + DONE));
    end(answer);
    await settled();
    expect([seen, ticked.size]).toEqual([['end'], 0]);
  });

  it('that cannot be settled lets go of its provider and of its client', async () => {
    const here = world({ isClientSlow: false, isJournalBroken: true });
    const { seen, stock, answer } = here;
    await begin(here);
    answer.onData(Buffer.from(WORD + USAGE + DONE));
    await settled();
    expect(seen).toEqual(['resume', 'Error: not written', 'abort', 'destroy']);
    expect(stock.blocksTaken).toBe(0);
  });

  it('that was whole is no failure of its provider, whatever comes behind it while its tokens are counted', async () => {
    const { flow, answer, call } = world({ isClientSlow: false });
    call.beginAttempt(testModel('m', 'http://localhost').deployments[0] as Deployment);
    answer.onStart({ ...flow, abort: () => answer.onFailure('aborted') });
    await settled();
    answer.onHead(200, STREAM_HEAD);
    answer.onData(Buffer.from(WORD + DONE));
    answer.onData(Buffer.alloc(REST_BYTES_MAX + 1, ':\n'));
    await settled();
    expect(call.attempts).toMatchObject([{ status: 200, failure: null }]);
  });

  it.each([
    ['a refusal', { status: 400, head: STREAM_HEAD, outcome: 'upstream_error' }],
    ['JSON under a good status', { status: 200, head: { 'content-type': 'application/json' }, outcome: 'drain_capped' }],
  ])('that is %s, does not end and has lost its client costs nothing (TL-9)', async (_, { status, head, outcome }) => {
    const { flow, answer, res, ending } = world({ isClientSlow: false });
    answer.onStart(flow);
    await settled();
    answer.onHead(status, head);
    res.emit('close');
    answer.tick(performance.now() + DRAIN_MS_MAX + 1);
    await settled();
    expect(ending()).toEqual({ outcome, usage: {} });
  });

  it('that nobody waits for any more when its request leaves is given up at once', async () => {
    const { seen, flow, answer } = world({ isClientSlow: false });
    await answer.endNow();
    answer.onStart(flow);
    expect(seen).toEqual(['end', 'abort']);
  });
});
