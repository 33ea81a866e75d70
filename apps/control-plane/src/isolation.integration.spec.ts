import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import type { TestControlPlane } from './control-plane.fixture.js';
import {
  type Credentials,
  comparable,
  fingerprint,
  neverExisting,
  sendWalked,
  type WalkedOperation,
  walkOperations,
} from './isolation.fixture.js';
import { makeTenant, startWholePlane, type Tenant } from './openapi/api-caller.fixture.js';

const TIMEOUT_MS = 900_000;
/** Floors: a walk that finds fewer is blind. */
const OPERATIONS_MIN = 50;
const PATH_IDS_MIN = 10;
const OTHER_IDS_MIN = 3;
/** Belong to the installation and not to an account; who may call them is a question of its own. */
const isOperators = ({ path }: WalkedOperation) => path.startsWith('/api/operator/');

let plane: TestControlPlane;
let document: OpenApiDocument;
let operations: WalkedOperation[];
/** Whose things are asked for. */
let victim: Tenant;
/** In everything that the victim named. */
const secret = `victim-${randomUUID()}`;
let cases = 0;

beforeAll(async () => {
  plane = await startWholePlane();
  ({ body: document } = await plane.browser().send<OpenApiDocument>('GET', '/api/openapi.json'));
  operations = walkOperations(document);
  victim = await makeTenant(plane, secret);
});
afterAll(async () => {
  console.log(`isolation: ${operations?.length} operations, ${cases} cases`);
  await plane?.close();
});

function credentialsOf(tenant: Tenant): [kind: string, as: Credentials][] {
  return [
    ['a session', { cookie: tenant.browser.cookie as string }],
    ['a management token', { token: tenant.token }],
  ];
}

/** Of the victim's ids and names those that the answer shows and the request did not bring. */
function leaks(text: string, asked = ''): string[] {
  return [secret, ...Object.values(victim.ids)].filter((word) => word !== asked && text.includes(word));
}

describe('the walk', () => {
  it('knows of every place in a request that takes an id, and of which kind it is', () => {
    expect(operations.length).toBeGreaterThanOrEqual(OPERATIONS_MIN);
    const own = operations.filter((operation) => !isOperators(operation));
    const inPaths = own.filter(({ slots }) => slots.some((slot) => slot.in === 'path'));
    expect(inPaths.filter(({ pathNoun }) => pathNoun === null).map(({ where }) => `${where}: add it to PATH_NOUNS`)).toEqual(
      [],
    );
    expect(inPaths.length).toBeGreaterThanOrEqual(PATH_IDS_MIN);
    expect(own.flatMap(({ slots }) => slots.filter((slot) => slot.in !== 'path')).length).toBeGreaterThanOrEqual(OTHER_IDS_MIN);
  });

  it('would see a change and a leak', async () => {
    const before = await fingerprint(plane, victim);
    await plane.database.query("UPDATE control.projects SET name = name || '!' WHERE account_id = $1", [victim.ids.account]);
    expect(await fingerprint(plane, victim)).not.toBe(before);
    await plane.database.query("UPDATE control.projects SET name = rtrim(name, '!') WHERE account_id = $1", [
      victim.ids.account,
    ]);
    const { text } = await victim.browser.send('GET', '/api/keys');
    expect(leaks(text).length).toBeGreaterThan(0);
  });
});

describe('the ids of another account (TL-1)', () => {
  it(
    'are answered in every place of every route as ids that never were, change nothing and show nothing',
    async () => {
      const before = await fingerprint(plane, victim);
      const caller = await makeTenant(plane, `caller-${randomUUID()}`);
      const faults: string[] = [];
      for (const operation of operations) {
        if (isOperators(operation)) continue;
        for (const slot of operation.slots) {
          for (const [kind, as] of credentialsOf(caller)) {
            for (const [noun, id] of Object.entries(victim.ids)) {
              cases++;
              const never = neverExisting(id);
              const ask = (value: string) =>
                sendWalked(plane, document, { operation, filled: new Map([[slot, value]]), own: caller.ids, as });
              const [theirs, nobodys] = [await ask(id), await ask(never)];
              const where = `${operation.where} with the ${noun} id in ${slot.in} ${slot.at.join('.')} as ${kind}`;
              if (comparable(theirs, id) !== comparable(nobodys, never))
                faults.push(`${where}: ${theirs.text} / ${nobodys.text}`);
              if (theirs.status === 401) faults.push(`${where}: the caller is signed out, so this proves nothing`);
              // 400: an id of another kind of UUID; 403: a route for persons, asked with a token.
              const isRefused = [404, 400, kind === 'a management token' ? 403 : 404].includes(theirs.status);
              if (slot.in === 'path' && !isRefused) faults.push(`${where}: answered ${theirs.status}`);
              for (const word of leaks(theirs.text, id)) faults.push(`${where}: shows ${word}`);
            }
          }
        }
        if ((await fingerprint(plane, victim)) !== before) faults.push(`${operation.where}: changed rows of the other account`);
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'are in no answer of a route that takes none, and it changes nothing of theirs',
    async () => {
      const before = await fingerprint(plane, victim);
      const faults: string[] = [];
      for (const operation of operations) {
        // Each with a caller of its own: some routes end the session, the token or the account.
        const caller = await makeTenant(plane, `caller-${randomUUID()}`);
        for (const [kind, as] of credentialsOf(caller)) {
          cases++;
          const answer = await sendWalked(plane, document, { operation, filled: new Map(), own: caller.ids, as });
          for (const word of leaks(answer.text)) faults.push(`${operation.where} as ${kind}: shows ${word}`);
          if (answer.status >= 500) faults.push(`${operation.where} as ${kind}: answered ${answer.status} ${answer.text}`);
        }
        if ((await fingerprint(plane, victim)) !== before) faults.push(`${operation.where}: changed rows of the other account`);
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
