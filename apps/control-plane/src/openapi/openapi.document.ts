import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from '@tensorloop/contracts/api/pages';
import { problemSchema } from '@tensorloop/contracts/dashboard-api';
import { IDEMPOTENT_METADATA } from '@tensorloop/nest-kit/idempotent';
import { describeRoutes, openApiPath } from '@tensorloop/nest-kit/openapi/document';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { RATE_LIMIT_HEADERS } from '@tensorloop/nest-kit/rate-limit';
import type { DeclaredRoute } from '@tensorloop/nest-kit/routes';
import { explain } from './explain.js';
import { schemaNames } from './openapi.names.js';
import { traitsOf } from './openapi.traits.js';
import { operationIdOf } from './operation-ids.js';

const API = '/api/';
const VERSION = '1.0.0';
const SESSION_COOKIE = 'tl_session';

const describe = (
  idempotent: string,
) => `Everything an account does outside the inference call. The inference API itself is on another host, under \`/v1\`.

**Who calls.** A browser signs in and carries a session cookie; a script sends \`Authorization: Bearer tlm_…\`, a management token. Inference keys (\`tl_…\`) open nothing here.

**Roles.** An operation with \`x-permission\` is open to the roles in \`x-roles\`: of a member in the account that the session acts for, or of the management token. One without is a person's own, an operator's or anybody's.

**Refusals** are problem details (RFC 9457). Switch on \`code\`, which is stable; \`type\` is the address of a page about it; \`errors\` points at fields; \`requestId\` is what to quote when asking for help.

**Lists** are pages: \`{ data, hasMore, nextCursor }\`. Give \`nextCursor\` back as \`cursor\` until it is null; a cursor that is none of the list's own is refused with \`cursor_invalid\`. \`limit\` is ${PAGE_LIMIT_DEFAULT} unless given, ${PAGE_LIMIT_MAX} at most. Lists that take neither are one page, whole.

**Reads** carry a strong \`ETag\`; \`If-None-Match\` saves the body. **Changes** of what shows a \`version\` take \`If-Match\` with such a tag, so that nobody overwrites what they have not seen; without it the last change wins.

**Repeating.** These take \`Idempotency-Key\`, and no others: ${idempotent}. Elsewhere it is ignored: what changes, replaces or ends something can be repeated as it is.

**Limits.** After 429 and 503 wait for \`Retry-After\`. Every 429 names the limit in \`RateLimit-Policy\` and how it stands in \`RateLimit\`; ways to sign in carry both on every answer, so that a client can slow down before.

**Values.** Instants are ISO 8601 in UTC. Money is decimal USD as text, and exact in \`…NanoUsd\` (1e-9 USD). Fields may be added to answers at any time: ignore those you do not know. Unknown fields in requests are refused.`;

const HEADERS = {
  'X-Request-Id': { description: 'What to quote when asking for help.', schema: { type: 'string', format: 'uuid' } },
  ETag: {
    description: 'Strong. `"<version>.<hash>"` where the answer shows a version, else `"<hash>"`.',
    schema: { type: 'string' },
  },
  'Retry-After': { description: 'Seconds to wait before the request is repeated.', schema: { type: 'integer', minimum: 0 } },
  'RateLimit-Policy': {
    description:
      'A limit that the request was counted for: its name, `q` requests in `w` seconds; or `q` at once, with `qu="concurrent-requests"` (draft-ietf-httpapi-ratelimit-headers).',
    schema: { type: 'string' },
    example: '"requests-by-network";q=300;w=60',
  },
  RateLimit: {
    description: 'What is left of that limit, `r`, and for how many seconds it stays so, `t`.',
    schema: { type: 'string' },
    example: '"requests-by-network";r=299;t=60',
  },
  'Idempotency-Replayed': {
    description:
      '`true` when this answer repeats that of an earlier request with the same Idempotency-Key. It shows no secret.',
    schema: { type: 'string', const: 'true' },
  },
  Location: { description: 'Where to go on.', schema: { type: 'string' } },
};

/** The document of the routes under /api. `baseUrl` is where the API is reached. */
export function describeApi(routes: readonly DeclaredRoute[], baseUrl: string): OpenApiDocument {
  const cookie = baseUrl.startsWith('https://') ? `__Host-${SESSION_COOKIE}` : SESSION_COOKIE;
  const described = routes.filter(({ path }) => path.startsWith(API));
  const document = describeRoutes(described, {
    info: { title: 'TensorLoop API', version: VERSION, description: describe(idempotentOf(described)) },
    serverUrl: baseUrl,
    names: schemaNames(),
    securitySchemes: {
      session: { type: 'apiKey', in: 'cookie', name: cookie, description: 'The session of a person who has signed in.' },
      managementToken: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'tlm_…',
        description: 'For scripts, with a role of its own.',
      },
    },
    headers: HEADERS,
    commonHeaders: ['X-Request-Id'],
    rateLimitHeaders: RATE_LIMIT_HEADERS,
    problemSchema,
    traitsOf,
    operationIdOf,
  });
  explain(document);
  return document;
}

/** The routes that take an Idempotency-Key, as a list in words: from what they declare, so that it stays true. */
function idempotentOf(routes: readonly DeclaredRoute[]): string {
  return routes
    .filter((route) => route.read<boolean>(IDEMPOTENT_METADATA) === true)
    .map(({ method, path }) => `${method} ${openApiPath(path)}`)
    .sort()
    .map((route) => `\`${route}\``)
    .join(', ');
}
