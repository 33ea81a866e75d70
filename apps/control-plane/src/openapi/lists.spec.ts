import { beforeAll, describe, expect, it } from '@jest/globals';
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from '@tensorloop/contracts/api/pages';
import { ACTIVITY_PAGE_MAX } from '@tensorloop/contracts/rpc';
import type { OpenApiDocument } from '@tensorloop/nest-kit/openapi/openapi.types';
import { CURSORS } from '../pages/cursor.types.js';
import { describeApi } from './openapi.document.js';
import { previewRoutes } from './preview.js';

/** What the product has; a document in which fewer are found is blind. */
const LISTS_MIN = 10;
/** Lists that are one page whole, and why that is enough. */
const COMPLETE: Record<string, string> = {
  listSessions: 'a user has 50 at most',
  listPlans: 'operators make a handful',
  listOperatorPlans: 'operators make a handful',
  listOperators: 'appointed one by one',
};

interface Schema {
  $ref?: string;
  type?: string;
  const?: unknown;
  required?: string[];
  properties?: Record<string, Schema>;
}
interface Operation {
  operationId: string;
  description?: string;
  parameters: { name: string; in: string; required: boolean; schema: Record<string, unknown>; description?: string }[];
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}
interface List {
  operation: Operation;
  page: Schema;
}

let document: OpenApiDocument;
let lists: Map<string, List>;

beforeAll(async () => {
  const { routes, baseUrl } = await previewRoutes();
  document = JSON.parse(JSON.stringify(describeApi(routes, baseUrl))) as OpenApiDocument;
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item) as unknown as Operation[]);
  lists = new Map(
    operations
      .map((operation) => ({ operation, page: pageOf(operation) }))
      .filter(({ operation, page }) => isList(operation, page))
      .map((list) => [list.operation.operationId, list as List]),
  );
});

function pageOf({ responses }: Operation): Schema | undefined {
  const schema = responses[200]?.content?.['application/json']?.schema;
  const name = schema?.$ref?.split('/').at(-1);
  return name === undefined ? schema : (document.components.schemas?.[name] as Schema | undefined);
}

/** By its name, by what it answers or by what it takes: each of them makes it one. */
function isList({ operationId, parameters }: Operation, page: Schema | undefined): boolean {
  if (page === undefined) return false;
  const takesPages = parameters.some(({ name }) => name === 'cursor' || name === 'limit');
  return takesPages || /^list[A-Z]/.test(operationId) || page.properties?.['nextCursor'] !== undefined;
}

const parameterOf = ({ operation }: List, name: string) => operation.parameters.find((parameter) => parameter.name === name);
const isComplete = (id: string) => COMPLETE[id] !== undefined;
const inPages = () => [...lists].filter(([id]) => !isComplete(id));

describe('lists of the API', () => {
  it('all answer data, hasMore and nextCursor', () => {
    expect(lists.size).toBeGreaterThanOrEqual(LISTS_MIN);
    for (const [id, { page }] of lists)
      expect([id, page.required]).toEqual([id, expect.arrayContaining(['data', 'hasMore', 'nextCursor'])]);
  });

  it('all take the same limit and cursor, and none needs either', () => {
    for (const [id, list] of inPages()) {
      expect([id, parameterOf(list, 'limit')]).toMatchObject([
        id,
        { in: 'query', required: false, schema: { minimum: 1, maximum: PAGE_LIMIT_MAX, default: PAGE_LIMIT_DEFAULT } },
      ]);
      expect([id, parameterOf(list, 'cursor')]).toMatchObject([
        id,
        { in: 'query', required: false, schema: { type: 'string' } },
      ]);
    }
    const shapes = (name: string) => new Set(inPages().map(([, list]) => JSON.stringify(parameterOf(list, name))));
    expect([shapes('limit').size, shapes('cursor').size]).toEqual([1, 1]);
  });

  it('all refuse a cursor that is none of theirs with cursor_invalid, and have one of their own kind', () => {
    for (const [id, { operation }] of inPages())
      expect([id, JSON.stringify(operation.responses[400] ?? null)]).toEqual([id, expect.stringContaining('cursor_invalid')]);
    expect(Object.keys(CURSORS)).toHaveLength(inPages().length);
  });

  it('that are complete say so, take neither, and never have a next page', () => {
    for (const id of Object.keys(COMPLETE)) {
      const list = lists.get(id) as List;
      expect([id, parameterOf(list, 'limit'), parameterOf(list, 'cursor')]).toEqual([id, undefined, undefined]);
      expect(list.operation.description).toContain('in one page');
      expect(list.page.properties).toMatchObject({ hasMore: { const: false }, nextCursor: { type: 'null' } });
    }
  });

  it('ask nobody for more at once than is answered', () => {
    expect(PAGE_LIMIT_MAX).toBeLessThanOrEqual(ACTIVITY_PAGE_MAX);
  });
});
