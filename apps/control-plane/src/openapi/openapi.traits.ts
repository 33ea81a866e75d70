import { ROLES } from '@tensorloop/contracts/dashboard-api';
import { IDEMPOTENT_METADATA } from '@tensorloop/nest-kit/idempotent';
import { IF_MATCH_METADATA } from '@tensorloop/nest-kit/if-match';
import type { RouteTraits } from '@tensorloop/nest-kit/openapi/openapi.types';
import { definedProblems, type ProblemFactory } from '@tensorloop/nest-kit/problem';
import { RATE_LIMIT_HEADERS } from '@tensorloop/nest-kit/rate-limit';
import type { DeclaredRoute } from '@tensorloop/nest-kit/routes';
import { z } from 'zod';
import { isPermitted, type Permission } from '../access/permission.types.js';
import { PERMISSION_METADATA } from '../access/principal.types.js';

/** Requests to these are counted for each network, before anything is looked at. */
const CREDENTIAL_PATH = /^\/api\/(auth\/(?!methods$)|invites\/(look-up|accept)$)/;
/** Reads that the account's log tells of: they are refused where a change would be. */
const TOLD_READS = new Set(['/api/account/export']);
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What a caller may have to present, by the route's `@Access`; any one of them will do. */
const SECURITY: Record<string, readonly string[]> = {
  public: [],
  session: ['session'],
  account: ['session', 'managementToken'],
  operator: ['session'],
};

/** Problems that no route declares by itself, by what about a route makes them possible. Codes are unique in a process. */
const CODES = {
  always: ['wrong_surface', 'unavailable'],
  input: ['invalid_request'],
  list: ['cursor_invalid'],
  change: ['invalid_request', 'cross_site_request', 'json_expected', 'unsupported_media_type', 'body_too_large'],
  session: ['session_missing', 'token_invalid', 'session_required'],
  account: ['session_missing', 'token_invalid'],
  // Who is no operator is not told that there is anything.
  operator: ['session_missing', 'token_invalid', 'session_required', 'not_found'],
  // A change is told in the account's log, which is where these are found out.
  told: ['credential_over', 'changes_throttled'],
  // An operator's change is told in the log of somebody else's account, where their session is looked at once more.
  operated: ['credential_over'],
  credentials: ['network_throttled'],
  permitted: ['role_insufficient'],
  idempotent: ['idempotency_key_invalid', 'idempotency_key_reused', 'idempotency_in_flight'],
  ifMatch: ['precondition_failed', 'invalid_request'],
} as const;

const IDEMPOTENCY_HEADER = {
  name: 'Idempotency-Key',
  description:
    'Any text that is new for a new request, best a random UUID. Requests with the same one have their effect once: repeat a request whose answer was lost, for 24 hours.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

export function traitsOf(route: DeclaredRoute): RouteTraits {
  const isIdempotent = route.read<boolean>(IDEMPOTENT_METADATA) === true;
  return {
    tag: tagOf(route.path),
    security: SECURITY[route.access ?? ''] ?? [],
    problems: codesOf(route, isIdempotent).map(problemOf),
    headers: isIdempotent ? [IDEMPOTENCY_HEADER] : [],
    responseHeaders: isIdempotent ? ['Idempotency-Replayed'] : [],
    answerHeaders: isCredential(route) ? RATE_LIMIT_HEADERS : [],
    extensions: permissionOf(route),
  };
}

/** What the caller's role must be permitted, and the roles that are. */
function permissionOf(route: DeclaredRoute): RouteTraits['extensions'] {
  const permission = route.read<Permission>(PERMISSION_METADATA);
  if (permission === undefined) return {};
  return { 'x-permission': permission, 'x-roles': ROLES.filter((role) => isPermitted(role, permission)) };
}

/** "keys" of "/api/keys/:id" */
function tagOf(path: string): string {
  return (path.split('/')[2] ?? 'api').replace(/\..*$/, '');
}

function codesOf(route: DeclaredRoute, isIdempotent: boolean): string[] {
  const takesInput = [route.body, route.query, route.params].some((input) => input !== 'none');
  return [
    ...CODES.always,
    ...(takesInput ? CODES.input : []),
    ...(takesCursor(route) ? CODES.list : []),
    ...(SAFE_METHODS.has(route.method) ? [] : CODES.change),
    ...codesOfAccess(route.access),
    ...(isTold(route) ? CODES.told : []),
    ...(route.access === 'operator' && !SAFE_METHODS.has(route.method) ? CODES.operated : []),
    ...(isCredential(route) ? CODES.credentials : []),
    ...(route.read(PERMISSION_METADATA) === undefined ? [] : CODES.permitted),
    ...(isIdempotent ? CODES.idempotent : []),
    ...(route.read(IF_MATCH_METADATA) === true ? CODES.ifMatch : []),
  ];
}

function takesCursor({ schemas }: DeclaredRoute): boolean {
  return schemas.query.some(({ schema }) => schema instanceof z.ZodObject && 'cursor' in schema.shape);
}

function isCredential({ path }: DeclaredRoute): boolean {
  return CREDENTIAL_PATH.test(path);
}

function isTold({ access, method, path }: DeclaredRoute): boolean {
  return (access === 'session' || access === 'account') && (!SAFE_METHODS.has(method) || TOLD_READS.has(path));
}

function codesOfAccess(access: DeclaredRoute['access']): readonly string[] {
  return access === 'session' || access === 'account' || access === 'operator' ? CODES[access] : [];
}

function problemOf(code: string): ProblemFactory {
  const problem = definedProblems().find((defined) => defined.code === code);
  if (problem === undefined) throw new Error(`no table of problems has ${code}`);
  return problem;
}
