import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chat, chatStream, PROMPT_TOKENS } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';
import { priceOf } from './harness/prices.js';

const MODEL = 'gpt-4o';
const CALLS = 20;

let installation: Installation;
let holder: KeyHolder;
let failing: Server;
let asked = 0;

beforeAll(async () => {
  failing = createServer((_req, res) => {
    asked += 1;
    // In turn: overloaded, broken off before a head, and an error.
    if (asked % 3 === 0) res.destroy();
    else res.writeHead(asked % 3 === 1 ? 429 : 500, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}');
  });
  failing.listen(0, '127.0.0.1');
  await once(failing, 'listening');
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('pro'));
}, SETUP_TIMEOUT_MS);

afterAll(async () => {
  failing?.closeAllConnections();
  failing?.close();
  await installation?.stop();
}, SETUP_TIMEOUT_MS);

interface Booked {
  attempts: { status: number | null; failure: string | null }[];
  charge_nano_usd: string;
  amounts: string;
}

/** The usage rows of a call, each with the sum of its charge lines. */
function booked(requestId: string): Promise<Booked[]> {
  return installation.database.query<Booked & Record<string, unknown>>(
    `SELECT u.attempts, u.charge_nano_usd::text,
       (SELECT sum(c.amount_nano_usd)::text FROM metering.charges c WHERE c.request_id = u.request_id) AS amounts
     FROM metering.usage u WHERE u.request_id = $1`,
    [requestId],
  );
}

describe('a provider put before another in the catalogue, and failing', () => {
  it(
    'is asked from the next call on without a restart; its calls are answered by the other and booked once',
    async () => {
      const { port } = failing.address() as AddressInfo;
      await installation.database.query('UPDATE control.deployments SET priority = 1 WHERE model_id = $1', [MODEL]);
      await installation.database.query(
        `INSERT INTO control.deployments (id, model_id, provider, base_url, upstream_model, head_timeout_ms, idle_timeout_ms)
         VALUES ('failing', $1, 'openai', $2, 'failing-model', 1000, 1000)`,
        [MODEL, `http://127.0.0.1:${port}/v1`],
      );
      await waitUntil(
        async () => {
          await chat(holder.client, { model: MODEL });
          return asked > 0;
        },
        { what: 'the first call at the new provider' },
      );
      const cost = priceOf(MODEL, { prompt: PROMPT_TOKENS, completion: 12 }).toString();
      const failures = new Set<string>();
      for (let index = 0; index < CALLS; index += 1) {
        const send = index % 2 === 0 ? chat : chatStream;
        const { requestId } = await send(holder.client, { model: MODEL, sim: { completionTokens: 12 } });
        const [row, ...more] = await waitUntil(
          async () => {
            const rows = await booked(requestId);
            return rows.length > 0 ? rows : null;
          },
          { what: `call ${requestId} in the books` },
        );
        expect(more).toEqual([]);
        expect(row).toMatchObject({ charge_nano_usd: cost, amounts: cost });
        expect(row?.attempts.at(-1)).toMatchObject({ status: 200, failure: null });
        for (const { status, failure } of row?.attempts.slice(0, -1) ?? []) failures.add(String(status ?? failure));
      }
      expect([...failures].sort()).toEqual(['429', '500', 'protocol']);
      await installation.auditExactly(CALLS);
    },
    SETUP_TIMEOUT_MS,
  );
});
