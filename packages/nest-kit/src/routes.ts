import { type INestApplicationContext, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA, RouteParamtypes } from '@nestjs/common/internal';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
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
}

interface RouteArgument {
  schema?: unknown;
}

/** Every HTTP route of the app with what it declares, for the test that each declares its access and its schemas. */
export function walkRoutes(app: INestApplicationContext): DeclaredRoute[] {
  const routes: DeclaredRoute[] = [];
  const scanner = new MetadataScanner();
  for (const module of app.get(ModulesContainer).values()) {
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
  const route = {
    method: RequestMethod[requestMethod] as string,
    handler: `${controller.name}.${name}`,
    access: readDeclared<AccessLevel>(ACCESS_METADATA, handler, controller),
    response: readDeclared<DeclaredResponse>(RESPONSE_METADATA, handler, controller),
    ...inputsOf(controller, name),
  };
  return [controllerPaths]
    .flat()
    .flatMap((base) => [handlerPaths].flat().map((path) => ({ ...route, path: joinPath(base, path) })));
}

function inputsOf(controller: object, name: string): Pick<DeclaredRoute, 'body' | 'query' | 'params'> {
  const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, name) ?? {}) as Record<string, RouteArgument>;
  const declared = (type: RouteParamtypes): InputDeclaration => {
    const taken = Object.entries(args).filter(([key]) => key.startsWith(`${type}:`));
    if (taken.length === 0) return 'none';
    return taken.every(([, argument]) => argument.schema !== undefined) ? 'schema' : 'unchecked';
  };
  return {
    body: declared(RouteParamtypes.BODY),
    query: declared(RouteParamtypes.QUERY),
    params: declared(RouteParamtypes.PARAM),
  };
}

function joinPath(base: string, path: string): string {
  const segments = `${base}/${path}`.split('/').filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}
