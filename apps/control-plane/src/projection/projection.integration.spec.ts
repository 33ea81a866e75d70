import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AdmissionClient, ALIAS_MS } from '@tensorloop/admission/admission-client';
import { keyProjectReplySchema, keyProjectRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { newKeyText, parseKeyText } from '@tensorloop/kernel/key-text';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { PEPPER, startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { ProjectionService } from './projection.service.js';

const keyProject = defineRpc(RPC.controlKeyProject, keyProjectRequestSchema, keyProjectReplySchema);

let plane: TestControlPlane;
let gateway: RpcClient;
beforeAll(async () => {
  plane = await startControlPlane();
  gateway = new RpcClient({ url: plane.nats.url, name: 'spec gateway', timeoutMs: 20_000 });
  await waitUntil(async () => (await plane.browser().send('GET', '/health/ready')).status === 200, {
    what: 'the control plane to be ready',
  });
});
afterAll(async () => {
  await gateway.close();
  await plane.close();
});

function identify(keyText: string) {
  const accountTag = parseKeyText(keyText)?.accountTag as string;
  const keyHash = createHmac('sha256', PEPPER).update(keyText).digest('hex');
  return { accountTag, keyHash, redisKey: `tl:{${accountTag}}:key:${keyHash}` };
}

afterEach(() => {
  jest.restoreAllMocks();
  plane.context.config.KEY_PEPPER_VERSION = 1;
});

/** As step 2 of the runbook does to the control plane: what was hashed until now is of the pepper before. */
function swapPepper(): void {
  plane.context.config.KEY_PEPPER_VERSION = 2;
}

/** The relay may still be at a key's minting. Once it has begun a round that does nothing, the one before has ended. */
async function restRelay(): Promise<void> {
  const drain = jest.spyOn(plane.app.get(ProjectionService, { strict: false }), 'drain').mockResolvedValue(0);
  await waitUntil(() => drain.mock.calls.length > 0, { what: 'the relay to rest' });
}

describe("a gateway's question for a key that Redis does not know", () => {
  it('is answered after Redis holds it', async () => {
    const { browser } = await plane.signUp();
    const { redisKey, ...key } = identify((await browser.mint()).body.key);
    await plane.redis.flushall();
    expect(await gateway.call(keyProject, key)).toEqual({ ok: true, found: true });
    expect(await plane.redis.hget(redisKey, 'revoked')).toBe('0');
  });

  it("continues the gateway's trace", async () => {
    const { redisKey: _, ...key } = identify(newKeyText('AAAAAAAA'));
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await gateway.call(keyProject, key, { traceparent });
    expect(plane.spans.at(-1)).toMatchObject({ name: keyProject.pattern, role: 'server', parent: traceparent });
  });

  it('brings a revoked key back as revoked', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.mint();
    const { redisKey, ...key } = identify(body.key);
    await browser.send('DELETE', `/api/keys/${body.id}`);
    await plane.redis.flushall();
    expect(await gateway.call(keyProject, key)).toEqual({ ok: true, found: true });
    expect(await plane.redis.hget(redisKey, 'revoked')).toBe('1');
  });

  it('is answered "not found" for a key that was never minted, or is asked for under another account', async () => {
    const { redisKey: _, ...unknown } = identify(newKeyText('AAAAAAAA'));
    expect(await gateway.call(keyProject, unknown)).toEqual({ ok: true, found: false });
    const { browser } = await plane.signUp();
    const { keyHash } = identify((await browser.mint()).body.key);
    expect(await gateway.call(keyProject, { accountTag: 'AAAAAAAA', keyHash })).toEqual({ ok: true, found: false });
  });

  it('by its hash under the pepper before has it known by the new one from then on, and by that alone', async () => {
    const { browser, me } = await plane.signUp();
    const { body } = await browser.mint();
    const { accountTag, keyHash: previousKeyHash, redisKey: before } = identify(body.key);
    const keyHash = createHmac('sha256', 'the next pepper of the specs').update(body.key).digest('hex');
    expect(await gateway.call(keyProject, { accountTag, keyHash })).toEqual({ ok: true, found: false });
    swapPepper();
    const asked = { accountTag, keyHash, previousKeyHash };
    expect(await gateway.call(keyProject, asked)).toEqual({ ok: true, found: true });
    const after = `tl:{${accountTag}}:key:${keyHash}`;
    expect(await plane.redis.hgetall(after)).toMatchObject({ keyId: body.id, revoked: '0' });
    expect(await plane.redis.exists(before)).toBe(0);
    expect(await gateway.call(keyProject, { accountTag, keyHash: previousKeyHash })).toEqual({ ok: true, found: false });
    // A revocation reaches it where it is known now.
    await browser.send('DELETE', `/api/keys/${body.id}`);
    expect(await plane.redis.hget(after, 'revoked')).toBe('1');
    const audited = await plane.database.query(
      `SELECT actor_kind FROM control.audit_entries WHERE account_id = $1 AND action = 'key.rehashed'`,
      [me.account.id],
    );
    expect(audited).toEqual([{ actor_kind: 'system' }]);
    // What is another account's is not found by it.
    const stranger = identify((await (await plane.signUp()).browser.mint()).body.key);
    expect(await gateway.call(keyProject, { ...asked, previousKeyHash: stranger.keyHash })).toEqual({ ok: true, found: true });
    expect(await gateway.call(keyProject, { accountTag, keyHash: 'ab'.repeat(32), previousKeyHash: stranger.keyHash })).toEqual(
      { ok: true, found: false },
    );
  });

  it('is never answered "not found" while Redis is down', async () => {
    const { browser } = await plane.signUp();
    const { redisKey: _, ...key } = identify((await browser.mint()).body.key);
    await plane.redisServer.server.kill();
    expect(await gateway.call(keyProject, key)).toMatchObject({ ok: false, code: 'unavailable' });
    await plane.redisServer.server.restart();
    await waitUntil(async () => (await gateway.call(keyProject, key)).ok, {
      what: 'an answer after the outage',
    });
  });
});

describe('while peppers are rotated', () => {
  /** A key of the pepper before, by both hashes. */
  async function mintBefore() {
    const { browser, me } = await plane.signUp();
    const { body } = await browser.mint();
    const { accountTag, keyHash: oldHash } = identify(body.key);
    const newHash = createHmac('sha256', 'the next pepper of the specs').update(body.key).digest('hex');
    const revokedAt = (hash: string) => plane.redis.hget(`tl:{${accountTag}}:key:${hash}`, 'revoked');
    const oldGateway = () => gateway.call(keyProject, { accountTag, keyHash: oldHash, previousKeyHash: newHash });
    const newGateway = () => gateway.call(keyProject, { accountTag, keyHash: newHash, previousKeyHash: oldHash });
    const revoke = () => browser.send('DELETE', `/api/keys/${body.id}`);
    return { accountId: me.account.id, accountTag, oldHash, newHash, revokedAt, oldGateway, newGateway, revoke };
  }
  const found = { ok: true, found: true };

  it('gateways of both kinds find a key whoever asks when; it is hashed again once, and revoked for both', async () => {
    const key = await mintBefore();
    swapPepper();
    const asked = Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? key.newGateway() : key.oldGateway()));
    expect(await Promise.all(asked)).toEqual(asked.map(() => found));
    expect(await key.newGateway()).toEqual(found);
    expect(await key.oldGateway()).toEqual(found);
    expect([await key.revokedAt(key.oldHash), await key.revokedAt(key.newHash)]).toEqual(['0', '0']);
    const aliasMs = await plane.redis.pttl(`tl:{${key.accountTag}}:key:${key.oldHash}`);
    expect(aliasMs).toBeGreaterThan(0);
    expect(aliasMs).toBeLessThanOrEqual(ALIAS_MS);
    const audited = await plane.database.query(
      `SELECT 1 FROM control.audit_entries WHERE account_id = $1 AND action = 'key.rehashed'`,
      [key.accountId],
    );
    expect(audited).toHaveLength(1);
    await key.revoke();
    expect([await key.revokedAt(key.oldHash), await key.revokedAt(key.newHash)]).toEqual([null, '1']);
    expect(await key.oldGateway()).toEqual(found);
    expect(await key.revokedAt(key.oldHash)).toBe('1');
  });

  it('a projection that was read before the key was hashed again and revoked, and is written after, does not bring it back', async () => {
    const key = await mintBefore();
    await restRelay();
    await plane.redis.flushall();
    swapPepper();
    const admission = plane.app.get(AdmissionClient, { strict: false });
    const projectKey = admission.projectKey.bind(admission);
    jest.spyOn(admission, 'projectKey').mockImplementationOnce(async (stale) => {
      expect(await key.newGateway()).toEqual(found);
      await key.revoke();
      return projectKey(stale);
    });
    expect(await key.oldGateway()).toEqual(found);
    expect([await key.revokedAt(key.oldHash), await key.revokedAt(key.newHash)]).toEqual(['1', '1']);
  });
});
