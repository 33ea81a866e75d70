import { HttpStatus, type INestApplicationContext, RequestMethod } from '@nestjs/common';
import {
  HTTP_CODE_METADATA,
  METHOD_METADATA,
  PATH_METADATA,
  ROUTE_ARGS_METADATA,
  RouteParamtypes,
} from '@nestjs/common/internal';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import type { z } from 'zod';
import { ACCESS_METADATA, type AccessLevel, type DeclaredResponse, RESPONSE_METADATA, readDeclared } from './access.js';

/** `none` = the handler does not take it; `unchecked` = it takes it without a schema, so anything would pass. */
export type InputDeclaration = 'none' | 'schema' | 'unchecked';

export interface DeclaredRoute {
  /** "GET" */
  method: string;
  /** As declared on controller and handler, without a global prefix: "/api/keys/:id". */
  path: string;
  /** "KeysController.list" */
  handler: string;
  access: AccessLevel | undefined;
  body: InputDeclaration;
  query: InputDeclaration;
  params: InputDeclaration;
  response: DeclaredResponse | undefined;
  /** Of the successful answer, unless the handler sets another. */
  status: number;
  schemas: RouteSchemas;
  /** Anything else that was declared on the handler or its controller. */
  read<Value>(metadataKey: string): Value | undefined;
  /** What both of them declare, where neither replaces the other. */
  readBoth<Value>(metadataKey: string): Value[];
}

/** What a handler takes, by where it comes from. A schema without a name is that of the whole query or of all parameters. */
export type RouteSchemas = Record<'body' | 'query' | 'params', { name: string | undefined; schema: z.ZodType }[]>;

interface RouteArgument {
  schema?: z.ZodType;
  data?: unknown;
}

const INPUTS = { body: RouteParamtypes.BODY, query: RouteParamtypes.QUERY, params: RouteParamtypes.PARAM } as const;

/** Every HTTP route of the app with what it declares, for the test that each declares its access and its schemas. */
export function walkRoutes(app: INestApplicationContext): DeclaredRoute[] {
  return walkModules(app.get(ModulesContainer));
}

/** The same from inside the app, where the modules can be injected. */
export function walkModules(modules: ModulesContainer): DeclaredRoute[] {
  const routes: DeclaredRoute[] = [];
  const scanner = new MetadataScanner();
  for (const module of modules.values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      for (const name of scanner.getAllMethodNames(metatype.prototype as object)) routes.push(...routesOf(metatype, name));
    }
  }
  return routes;
}

/** What keeps a route from being safe to serve, as sentences; empty when everything is declared. */
export function findUndeclared(route: DeclaredRoute): string[] {
  const where = `${route.method} ${route.path} (${route.handler})`;
  const missing: string[] = [];
  if (route.access === undefined) missing.push(`${where} declares no access`);
  if (route.response === undefined) missing.push(`${where} declares no response schema`);
  for (const input of ['body', 'query', 'params'] as const) {
    if (route[input] === 'unchecked') missing.push(`${where} takes its ${input} without a schema`);
  }
  return missing;
}

function routesOf(controller: object & { name: string; prototype: unknown }, name: string): DeclaredRoute[] {
  const handler = (controller.prototype as Record<string, object>)[name] as object;
  const handlerPaths = Reflect.getMetadata(PATH_METADATA, handler) as string | string[] | undefined;
  if (handlerPaths === undefined) return [];
  const controllerPaths = Reflect.getMetadata(PATH_METADATA, controller) as string | string[];
  const requestMethod = (Reflect.getMetadata(METHOD_METADATA, handler) ?? RequestMethod.GET) as RequestMethod;
  const method = RequestMethod[requestMethod] as string;
  const inputs = inputsOf(controller, name);
  const route = {
    method,
    handler: `${controller.name}.${name}`,
    access: readDeclared<AccessLevel>(ACCESS_METADATA, handler, controller),
    response: readDeclared<DeclaredResponse>(RESPONSE_METADATA, handler, controller),
    status: (Reflect.getMetadata(HTTP_CODE_METADATA, handler) as number | undefined) ?? defaultStatus(method),
    schemas: schemasOf(inputs),
    body: declarationOf(inputs.body),
    query: declarationOf(inputs.query),
    params: declarationOf(inputs.params),
    read: <Value>(metadataKey: string) => readDeclared<Value>(metadataKey, handler, controller),
    readBoth: <Value>(metadataKey: string) =>
      [handler, controller].flatMap(
        (target) => (Reflect.getMetadata(metadataKey, target) as Value | undefined) ?? [],
      ) as Value[],
  };
  return [controllerPaths]
    .flat()
    .flatMap((base) => [handlerPaths].flat().map((path) => ({ ...route, path: joinPath(base, path) })));
}

function defaultStatus(method: string): number {
  return method === 'POST' ? HttpStatus.CREATED : HttpStatus.OK;
}

function inputsOf(controller: object, name: string): Record<keyof typeof INPUTS, RouteArgument[]> {
  const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, name) ?? {}) as Record<string, RouteArgument>;
  const taken = (type: RouteParamtypes) =>
    Object.entries(args)
      .filter(([key]) => key.startsWith(`${type}:`))
      .map(([, argument]) => argument);
  return { body: taken(INPUTS.body), query: taken(INPUTS.query), params: taken(INPUTS.params) };
}

function declarationOf(taken: RouteArgument[]): InputDeclaration {
  if (taken.length === 0) return 'none';
  return taken.every(({ schema }) => schema !== undefined) ? 'schema' : 'unchecked';
}

function schemasOf({ body, query, params }: Record<keyof typeof INPUTS, RouteArgument[]>): RouteSchemas {
  const toSchemas = (taken: RouteArgument[]) =>
    taken.flatMap(({ schema, data }) =>
      schema === undefined ? [] : [{ name: typeof data === 'string' ? data : undefined, schema }],
    );
  return { body: toSchemas(body), query: toSchemas(query), params: toSchemas(params) };
}

function joinPath(base: string, path: string): string {
  const segments = `${base}/${path}`.split('/').filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}
