import type { DeclaredRoute } from '../routes.js';
import type { OpenApiDocument, OpenApiOptions } from './openapi.types.js';
import { OperationBuilder } from './operation-builder.js';
import { type JsonSchema, SchemaComponents } from './schema-components.js';

const OPENAPI_VERSION = '3.1.1';

/** "/api/keys/:id" → "/api/keys/{id}" */
export function openApiPath(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

/** The OpenAPI document of these routes, always the same for the same routes: it can be committed and compared. */
export function describeRoutes(routes: readonly DeclaredRoute[], options: OpenApiOptions): OpenApiDocument {
  const components = new SchemaComponents(options.names);
  const builder = new OperationBuilder(options, components);
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of [...routes].sort(byPath)) {
    const path = openApiPath(route.path);
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = builder.build(route);
  }
  const tags = new Set(Object.values(paths).flatMap((item) => Object.values(item).flatMap(({ tags }) => tags as string[])));
  return {
    openapi: OPENAPI_VERSION,
    info: options.info,
    servers: [{ url: options.serverUrl }],
    tags: [...tags].sort().map((name) => ({ name })),
    paths,
    components: { schemas: components.all(paths), headers: options.headers, securitySchemes: options.securitySchemes },
  };
}

function byPath(a: DeclaredRoute, b: DeclaredRoute): number {
  const [left, right] = [`${a.path} ${a.method}`, `${b.path} ${b.method}`];
  return left < right ? -1 : left > right ? 1 : 0;
}
