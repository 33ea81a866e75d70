import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROLES, type Role } from '@tensorloop/contracts/dashboard-api';
import { openApiPath } from '@tensorloop/nest-kit/openapi/document';
import { type DeclaredRoute, walkRoutes } from '@tensorloop/nest-kit/routes';
import { isPermitted, type Permission } from './access/permission.types.js';
import { PERMISSION_METADATA } from './access/principal.types.js';
import { startControlPlane, type TestControlPlane } from './control-plane.fixture.js';
import { type Credentials, neverExisting, send } from './isolation.fixture.js';
import { makeTenant } from './openapi/api-caller.fixture.js';

const TIMEOUT_MS = 900_000;
const NOT_AUTHENTICATED = 401;
const FORBIDDEN = 403;
const NOT_FOUND = 404;
const ROUTES_MIN = 50;
/** Anybody may call these; a new one is added here on purpose or not at all. */
const PUBLIC = [
  'GET /api/auth/google',
  'GET /api/auth/google/callback',
  'GET /api/auth/methods',
  'GET /api/docs',
  'GET /api/docs/assets/:name',
  'GET /api/docs/errors',
  'GET /api/docs/errors/:code',
  'GET /api/openapi.json',
  'POST /api/auth/code',
  'POST /api/auth/code/verify',
  'POST /api/auth/password-reset',
  'POST /api/auth/password-reset/confirm',
  'POST /api/auth/sign-in',
  'POST /api/auth/sign-out',
  'POST /api/auth/sign-up',
  'POST /api/auth/verify-email',
  'POST /api/auth/verify-email/resend',
  'POST /api/invites/look-up',
];
/** Of a person, whatever the role: their sessions, password, accounts and invitations. */
const PERSONAL = [
  'DELETE /api/auth/google/link',
  'DELETE /api/sessions',
  'DELETE /api/sessions/:id',
  'GET /api/accounts',
  'GET /api/me',
  'GET /api/sessions',
  'PATCH /api/me',
  'POST /api/accounts',
  'POST /api/accounts/:id/switch',
  'POST /api/auth/google/link',
  'POST /api/invites/accept',
  'PUT /api/auth/password',
];
/** Refusals of the role, and of the kind of credential. */
const ROLE_CODES = ['role_insufficient'];

let plane: TestControlPlane;
let routes: DeclaredRoute[];
let cases = 0;
beforeAll(async () => {
  plane = await startControlPlane();
  routes = walkRoutes(plane.app).filter(({ path }) => path.startsWith('/api/'));
});
afterAll(async () => {
  console.log(`roles: ${routes?.length} routes, ${cases} cases`);
  await plane?.close();
});

const nameOf = ({ method, path }: DeclaredRoute) => `${method} ${path}`;
const permissionOf = (route: DeclaredRoute) => route.read<Permission>(PERMISSION_METADATA);

/** A call that gets past the guard and no further: ids that never were, and a body that no schema takes. */
function knock(route: DeclaredRoute, as: Credentials) {
  const path = openApiPath(route.path).replaceAll(/\{\w+\}/g, neverExisting());
  return send(plane, { method: route.method, path, body: route.method === 'GET' ? undefined : { unheardOf: true }, as });
}

/** What takes no body happens, and may end the session or the account that it is asked with. */
const happens = ({ method, body }: DeclaredRoute) => method !== 'GET' && body === 'none';

/** One caller for all routes on which nothing happens, and one of its own for each of the others. */
function callers(make: () => Promise<Credentials>): (route: DeclaredRoute) => Promise<Credentials> {
  let shared: Promise<Credentials> | null = null;
  return (route) => {
    if (happens(route)) return make();
    shared ??= make();
    return shared;
  };
}

async function memberWith(role: Role): Promise<Credentials> {
  const { browser, me } = await plane.signUp();
  await plane.database.query('UPDATE control.memberships SET role = $1 WHERE user_id = $2', [role, me.user.id]);
  return { cookie: browser.cookie as string };
}

async function tokenWith(role: Role): Promise<Credentials> {
  const { browser } = await plane.signUp();
  const { body } = await browser.send<{ token: string }>('POST', '/api/tokens', { body: { name: 'role', role } });
  return { token: body.token };
}

describe('every route', () => {
  it('is classified: for anybody, for a person, for operators, or by a permission', () => {
    expect(routes.length).toBeGreaterThanOrEqual(ROUTES_MIN);
    const open = routes.filter(({ access }) => access === 'public').map(nameOf);
    expect(open.sort()).toEqual(PUBLIC);
    const closed = routes.filter(({ access }) => access === 'session' || access === 'account');
    expect(
      closed
        .filter((route) => permissionOf(route) === undefined)
        .map(nameOf)
        .sort(),
    ).toEqual(PERSONAL);
    const rest = routes.filter(({ access }) => !['public', 'session', 'account', 'operator'].includes(access ?? ''));
    expect(rest.map(nameOf)).toEqual([]);
    expect(routes.filter(({ access }) => access === 'operator').every(({ path }) => path.startsWith('/api/operator/'))).toBe(
      true,
    );
  });

  it(
    'is refused to whoever presents nothing, an inference key, or a token that was never made',
    async () => {
      const faults: string[] = [];
      const strangers: Credentials[] = [
        {},
        { token: `tl_${'a'.repeat(57)}` },
        { token: `tlm_${'a'.repeat(57)}` },
        { cookie: `tl_session=${'a'.repeat(43)}` },
      ];
      for (const route of routes.filter(({ access }) => access !== 'public')) {
        for (const as of strangers) {
          cases++;
          const { status } = await knock(route, as);
          // Who is no operator is not told that there is anything.
          const isRefused = status === NOT_AUTHENTICATED || (route.access === 'operator' && status === NOT_FOUND);
          if (!isRefused) faults.push(`${nameOf(route)} answered ${status} to ${JSON.stringify(as)}`);
        }
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it.each(ROLES)(
    'is open to a member who is %s exactly where the table of permissions says so',
    async (role) => {
      const faults: string[] = [];
      const callerOf = callers(() => memberWith(role));
      for (const route of routes.filter((candidate) => permissionOf(candidate) !== undefined)) {
        cases++;
        const { status, body } = await knock(route, await callerOf(route));
        const isRefused = ROLE_CODES.includes(String(body?.code));
        if (isRefused === isPermitted(role, permissionOf(route) as Permission))
          faults.push(`${nameOf(route)} answered ${status} ${body?.code}`);
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it.each(ROLES)(
    'is open to a management token that is %s exactly where the table says so, and never where a person is meant',
    async (role) => {
      const faults: string[] = [];
      const callerOf = callers(() => tokenWith(role));
      for (const route of routes.filter(({ access }) => access !== 'public')) {
        cases++;
        const { status, body } = await knock(route, await callerOf(route));
        const permission = permissionOf(route);
        const isOpen = route.access === 'account' && permission !== undefined && isPermitted(role, permission);
        const isHidden = route.access === 'operator' && status === NOT_FOUND;
        const isRefused = status === FORBIDDEN || status === NOT_AUTHENTICATED || isHidden;
        if (isOpen === isRefused) faults.push(`${nameOf(route)} answered ${status} ${body?.code}`);
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('routes of operators', () => {
  it(
    'are refused to every owner of an account',
    async () => {
      const owner = await makeTenant(plane, `owner-${randomUUID()}`);
      const faults: string[] = [];
      for (const route of routes.filter(({ access }) => access === 'operator')) {
        const both: Credentials[] = [{ cookie: owner.browser.cookie as string }, { token: owner.token }];
        for (const as of both) {
          const { status } = await knock(route, as);
          // A token is told that this takes a person.
          if (![NOT_FOUND, NOT_AUTHENTICATED, as.token === undefined ? NOT_FOUND : FORBIDDEN].includes(status))
            faults.push(`${nameOf(route)} answered ${status}`);
        }
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
