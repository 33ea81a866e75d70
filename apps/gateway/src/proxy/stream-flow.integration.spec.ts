import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import type { GatewayFixture } from '../../test/gateway-fixture.js';
import { type ScriptedGateway, startScriptedGateway } from '../../test/scripted-gateway.js';
import { type Behaviour, refuseWith, reset, type ScriptedProvider } from '../../test/scripted-provider.js';
import type { TestKey } from '../../test/test-keys.js';

const MEBIBYTE = 1024 * 1024;
/** Far more than what the sockets of both legs hold, some 20 MiB at most by the kernel's usual limits. */
const STREAM_BYTES = 96 * MEBIBYTE;
const UNREAD_BYTES_MAX = 40 * MEBIBYTE;
/** The provider counts as held up when it got rid of nothing for so long. */
const STANDSTILL_MS = 1_500;
const PIECE_BYTES = 32 * 1024;
const BUSY_RETRIES_MAX = 5;

let gateway: ScriptedGateway;
let provider: ScriptedProvider;
let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  gateway = await startScriptedGateway('plenty', 'refusing', 'ill', 'breaking');
  ({ provider, fixture, key } = gateway);
});

afterAll(() => gateway?.stop());

function chunkOf(fields: object): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [], ...fields })}\n\n`;
}

const PIECE = chunkOf({ choices: [{ index: 0, delta: { content: 'x'.repeat(PIECE_BYTES) }, finish_reason: null }] });
const ENDING = `${chunkOf({ usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } })}data: [DONE]\n\n`;

/** What the provider got rid of so far. */
interface Sent {
  bytes: number;
}

/** Streams as fast as its peer reads. */
function streamPlenty(sent: Sent): Behaviour {
  return async (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    while (sent.bytes < STREAM_BYTES) {
      if (!res.write(PIECE)) await once(res, 'drain');
      sent.bytes += PIECE.length;
    }
    res.end(ENDING);
  };
}

/** The answer to a streamed call, of which nothing is read until somebody asks for it. */
async function openStream(model: string): Promise<IncomingMessage> {
  for (let attempt = 1; ; attempt++) {
    const response = await openOnce(model);
    // Redis did not answer in time: the machine is busy with other tests.
    if (response.statusCode !== 503 || attempt > BUSY_RETRIES_MAX) return response;
    response.resume();
  }
}

function openOnce(model: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key.text}`, 'content-type': 'application/json' };
    const req = httpRequest(`${fixture.url}/v1/chat/completions`, { method: 'POST', headers }, resolve);
    req.on('error', reject);
    req.end(JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'x' }] }));
  });
}

describe('a client that does not read', () => {
  it('stops the reading of the upstream: the gateway does not take in what nobody takes off it, and sends all of it later', async () => {
    const sent: Sent = { bytes: 0 };
    provider.on('plenty', streamPlenty(sent));
    const response = await openStream('plenty');
    expect(response.statusCode).toBe(200);
    let [bytes, sinceMs] = [-1, performance.now()];
    const isStandingStill = () => {
      if (sent.bytes !== bytes) [bytes, sinceMs] = [sent.bytes, performance.now()];
      return bytes > 0 && performance.now() - sinceMs >= STANDSTILL_MS;
    };
    await waitUntil(isStandingStill, { what: 'the provider to be held up' });
    expect(sent.bytes).toBeLessThan(UNREAD_BYTES_MAX);
    let received = 0;
    let end = '';
    for await (const chunk of response as AsyncIterable<Buffer>) {
      received += chunk.length;
      end = (end + chunk.toString('latin1')).slice(-ENDING.length);
    }
    expect(received).toBeGreaterThan(STREAM_BYTES);
    expect(end.endsWith('data: [DONE]\n\n')).toBe(true);
    const event = await fixture.eventOf(String(response.headers['x-request-id']));
    expect(event).toMatchObject({ outcome: 'completed', usage: { input: 7, output: 2 } });
  });
});

/** Keeps the call waiting until told, then does what it would have done at once. */
class Late {
  private tell: () => void = () => undefined;
  private readonly told = new Promise<void>((resolve) => {
    this.tell = resolve;
  });

  constructor(private readonly behaviour: Behaviour) {}

  readonly behave = async (res: ServerResponse, req: IncomingMessage): Promise<void> => {
    await this.told;
    await this.behaviour(res, req);
  };

  now(): void {
    this.tell();
  }
}

interface Failing {
  place: string;
  behaviour: Behaviour;
  error: object;
}

/** The whole text of a streamed call, whose upstream fails once the client has been sent something. */
async function failLate({ place, behaviour }: Failing): Promise<{ response: IncomingMessage; text: string }> {
  const late = new Late(behaviour);
  provider.on(place, late.behave);
  const response = await openStream(place);
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    late.now();
  }
  return { response, text };
}

const FAILING: Failing[] = [
  { place: 'refusing', behaviour: refuseWith(400, {}, 'not so'), error: { message: 'not so', code: 'scripted' } },
  { place: 'ill', behaviour: refuseWith(500, {}, 'unwell'), error: { message: 'unwell', code: 'scripted' } },
  { place: 'breaking', behaviour: reset, error: { code: 'upstream_cut' } },
];

describe('an upstream that refuses, is ill or breaks off when its client has been sent a heartbeat already', () => {
  it('ends the stream, whose head said 200, with the error as an event, and nothing is charged (TL-9, TL-16)', async () => {
    // At once: each waits for the first heartbeat.
    const answers = await Promise.all(FAILING.map(failLate));
    for (const [index, { response, text }] of answers.entries()) {
      expect(response.statusCode).toBe(200);
      expect(text.startsWith(': keep-alive\n\n')).toBe(true);
      const events = text.split('\n\n').filter((part) => part !== '' && part !== ': keep-alive');
      expect(events).toEqual([expect.stringMatching(/^data: /)]);
      const { error } = FAILING[index] as Failing;
      expect(JSON.parse(String(events[0]).slice('data: '.length))).toMatchObject({ error });
      const event = await fixture.eventOf(String(response.headers['x-request-id']));
      expect(event).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0', usage: {}, httpStatus: 200 });
    }
  });
});
