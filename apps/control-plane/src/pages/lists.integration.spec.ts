import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PAGE_LIMIT_MAX } from '@tensorloop/contracts/api/pages';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { CURSORS } from './cursor.types.js';

let plane: TestControlPlane;
let paths: string[];
let operator: TestBrowser;

/** Of whatever takes a cursor by the description that is served, so that a new list is found by itself. */
beforeAll(async () => {
  plane = await startControlPlane();
  const { body } = await plane.browser().send<OpenApiDocument>('GET', '/api/openapi.json');
  paths = Object.entries(body.paths).flatMap(([path, item]) =>
    JSON.stringify(Object.entries(item).find(([method]) => method === 'get')?.[1] ?? null).includes('"name":"cursor"')
      ? path
      : [],
  );
  const { browser, me } = await plane.signUp(`operator-${randomUUID()}@example.com`);
  await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [me.user.id]);
  operator = browser;
});
afterAll(() => plane.close());

it('every list refuses a cursor that it did not write, whatever is wrong with it, with cursor_invalid', async () => {
  expect(paths).toHaveLength(Object.keys(CURSORS).length);
  const ofAnotherList = Buffer.from(`z1.${randomUUID()}`).toString('base64url');
  for (const path of paths)
    for (const cursor of ['', 'nonsense', randomUUID(), ofAnotherList, 'x'.repeat(2_000)]) {
      const { status, body } = await operator.send('GET', `${path}?cursor=${cursor}`);
      expect([path, cursor, status, body.code]).toEqual([path, cursor, 400, 'cursor_invalid']);
    }
});

it(`every list takes pages of 1 to ${PAGE_LIMIT_MAX} items and refuses others`, async () => {
  for (const path of paths) {
    for (const limit of [0, PAGE_LIMIT_MAX + 1, 'x']) {
      const { status, body } = await operator.send('GET', `${path}?limit=${limit}`);
      expect([path, limit, status, body.code]).toEqual([path, limit, 400, 'invalid_request']);
    }
    // There is no metering here to tell of calls: that it was asked is what is looked for.
    const expected = path === '/api/activity' ? 503 : 200;
    for (const limit of [1, PAGE_LIMIT_MAX]) {
      const { status } = await operator.send('GET', `${path}?limit=${limit}`);
      expect([path, limit, status]).toEqual([path, limit, expected]);
    }
  }
});
