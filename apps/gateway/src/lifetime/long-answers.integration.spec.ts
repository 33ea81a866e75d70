import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { GatewayFixture } from '../../test/gateway-fixture.js';
import { type ScriptedGateway, startScriptedGateway } from '../../test/scripted-gateway.js';
import type { ScriptedProvider } from '../../test/scripted-provider.js';
import type { TestKey } from '../../test/test-keys.js';
import { LAST_BYTES_MS } from '../app.js';
import { ACKS_WAIT_MS } from './gateway-lifetime.js';

/** More than the sockets on the way hold. */
const ANSWER = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(28 * 1024 * 1024) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
});

let gateway: ScriptedGateway;
let provider: ScriptedProvider;
let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  gateway = await startScriptedGateway('long');
  ({ provider, fixture, key } = gateway);
  provider.on('long', (res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER));
});

afterAll(() => gateway?.stop());

function open(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key.text}`, 'content-type': 'application/json' };
    const req = httpRequest(`${fixture.url}/v1/chat/completions`, { method: 'POST', headers }, resolve);
    req.on('error', reject);
    req.end(JSON.stringify({ model: 'long', messages: [{ role: 'user', content: 'x' }] }));
  });
}

describe('a long answer that its client takes slowly', () => {
  it('arrives whole although the gateway shuts down meanwhile: it is paid for (spec TL-16)', async () => {
    const response = await open();
    expect(response.statusCode).toBe(200);
    const stopped = fixture.gateway.stop('SIGTERM');
    // By then nothing else would keep the gateway from closing its connections.
    await delay(ACKS_WAIT_MS + 4 * LAST_BYTES_MS);
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.length;
    expect(bytes).toBe(ANSWER.length);
    await stopped;
    await fixture.restartGateway();
  });
});
