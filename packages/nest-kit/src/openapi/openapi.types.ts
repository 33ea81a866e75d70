import type { z } from 'zod';
import type { ProblemFactory } from '../problem.js';
import type { DeclaredRoute } from '../routes.js';
import type { JsonSchema, SchemaNames } from './schema-components.js';

export interface HeaderParameter {
  name: string;
  description: string;
  schema: JsonSchema;
}

/** What an app knows of a route beyond what the route declares. */
export interface RouteTraits {
  tag: string;
  /** Names of security schemes, any one of which will do; empty = none is needed. */
  security: readonly string[];
  /** Problems that follow from how the app is built; the route's own are added. */
  problems: readonly ProblemFactory[];
  headers: readonly HeaderParameter[];
  /** Of the successful answer: names of `OpenApiOptions.headers`. */
  responseHeaders: readonly string[];
  /** Of every answer of the route, refusals included. */
  answerHeaders: readonly string[];
  /** Fields of the operation that OpenAPI leaves to whoever describes it. */
  extensions: Readonly<Record<`x-${string}`, unknown>>;
}

export interface OpenApiOptions {
  info: { title: string; version: string; description: string };
  serverUrl: string;
  names: SchemaNames;
  securitySchemes: Record<string, JsonSchema>;
  /** Headers of answers, by name. */
  headers: Record<string, JsonSchema>;
  /** Of every answer: names of `headers`. */
  commonHeaders: readonly string[];
  /** Of every 429: names of `headers`. */
  rateLimitHeaders: readonly string[];
  /** What every refusal is. */
  problemSchema: z.ZodType;
  traitsOf(route: DeclaredRoute): RouteTraits;
  /** What generated clients call it; unique. */
  operationIdOf(route: DeclaredRoute): string;
}

export interface OpenApiDocument {
  openapi: string;
  info: OpenApiOptions['info'];
  servers: { url: string }[];
  tags: { name: string; description?: string }[];
  paths: Record<string, Record<string, JsonSchema>>;
  components: Record<string, Record<string, JsonSchema>>;
}
