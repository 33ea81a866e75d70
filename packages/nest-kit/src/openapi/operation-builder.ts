import { OTHER_ANSWER_METADATA, type OtherAnswer } from '../access.js';
import { IF_MATCH_METADATA } from '../if-match.js';
import { DESCRIPTION_METADATA, HEADER_METADATA, PROBLEMS_METADATA, SUMMARY_METADATA } from '../operation.js';
import { type ProblemFactory, type ProblemKind, problemStatus, problemTitle } from '../problem.js';
import type { DeclaredRoute } from '../routes.js';
import type { HeaderParameter, OpenApiOptions, RouteTraits } from './openapi.types.js';
import type { JsonSchema, SchemaComponents } from './schema-components.js';

const ACCEPTED = 202;
const NO_CONTENT = 204;
const REDIRECT_MIN = 300;
const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';
const IF_NONE_MATCH_TEXT = 'The answer that the caller has, by its ETag. 304 when it would be the same.';

/** One operation of the document from what its route declares. */
export class OperationBuilder {
  constructor(
    private readonly options: OpenApiOptions,
    private readonly components: SchemaComponents,
  ) {}

  build(route: DeclaredRoute): JsonSchema {
    const traits = this.options.traitsOf(route);
    const body = this.requestBody(route);
    const description = route.read<string>(DESCRIPTION_METADATA);
    return {
      operationId: this.options.operationIdOf(route),
      tags: [traits.tag],
      summary: route.read<string>(SUMMARY_METADATA) ?? '',
      ...(description === undefined ? {} : { description }),
      ...traits.extensions,
      security: traits.security.map((name) => ({ [name]: [] })),
      parameters: this.parameters(route, traits),
      ...(body === null ? {} : { requestBody: body }),
      responses: this.responses(route, traits),
    };
  }

  private parameters(route: DeclaredRoute, traits: RouteTraits): JsonSchema[] {
    const headers = [...traits.headers, ...ownHeaders(route)];
    return [
      ...this.fields(route.schemas.params).map((field) => ({ ...field, in: 'path', required: true })),
      ...this.fields(route.schemas.query).map((field) => ({ ...field, in: 'query' })),
      ...headers.map((header) => ({ ...header, in: 'header', required: false })),
    ];
  }

  private fields(inputs: DeclaredRoute['schemas']['query']): JsonSchema[] {
    return inputs.flatMap(({ name, schema }) => {
      const converted =
        name === undefined ? this.components.convertInline(schema, 'input') : this.components.convert(schema, 'input');
      if (name !== undefined) return [{ name, required: true, schema: converted }];
      const required = (converted.required ?? []) as string[];
      return Object.entries((converted.properties ?? {}) as Record<string, JsonSchema>).map(
        ([field, { description, ...rest }]) => ({
          name: field,
          required: required.includes(field),
          ...(description === undefined ? {} : { description }),
          schema: rest,
        }),
      );
    });
  }

  private requestBody(route: DeclaredRoute): JsonSchema | null {
    const [body] = route.schemas.body;
    if (body === undefined) return null;
    const schema = this.components.convert(body.schema, 'input');
    return { required: !body.schema.safeParse(undefined).success, content: { [JSON_TYPE]: { schema } } };
  }

  private responses(route: DeclaredRoute, traits: RouteTraits): JsonSchema {
    const responses: [status: number, response: JsonSchema][] = [[route.status, this.success(route, traits)]];
    const other = route.read<OtherAnswer>(OTHER_ANSWER_METADATA);
    if (other !== undefined) responses.push([other.status, this.otherSuccess(other, traits)]);
    if (isTagged(route)) {
      const headers = this.headerRefs([...traits.answerHeaders, 'ETag']);
      responses.push([304, { description: 'Nothing has changed.', headers }]);
    }
    const problems = [...route.readBoth<ProblemFactory[]>(PROBLEMS_METADATA).flat(), ...traits.problems];
    for (const status of new Set(problems.map(({ definition }) => problemStatus(definition.kind)))) {
      const ofStatus = problems.filter(({ definition }) => problemStatus(definition.kind) === status);
      responses.push([status, this.refusal(ofStatus, traits)]);
    }
    return Object.fromEntries(responses.sort(([a], [b]) => a - b).map(([status, response]) => [String(status), response]));
  }

  private success(route: DeclaredRoute, traits: RouteTraits): JsonSchema {
    const { response, status } = route;
    const schema = response !== undefined && 'schema' in response ? this.components.convert(response.schema, 'output') : null;
    const isVersioned =
      schema !== null &&
      response !== undefined &&
      'schema' in response &&
      hasVersion(this.components.convertInline(response.schema, 'output'));
    const headers = [
      ...traits.answerHeaders,
      ...traits.responseHeaders,
      ...(isTagged(route) || isVersioned ? ['ETag'] : []),
      ...(status >= REDIRECT_MIN ? ['Location'] : []),
    ];
    const mediaTypes = schema !== null ? [JSON_TYPE] : response !== undefined && 'raw' in response ? response.mediaTypes : [];
    const bodies = mediaTypes
      .map((type) => type.replace(/;.*/, ''))
      .map((type) => [type, { schema: schema ?? rawSchema(type) }]);
    const content = bodies.length === 0 || status === NO_CONTENT ? {} : { content: Object.fromEntries(bodies) };
    return { description: describeSuccess(status), headers: this.headerRefs(headers), ...content };
  }

  private otherSuccess({ status, schema }: OtherAnswer, traits: RouteTraits): JsonSchema {
    const content = { [JSON_TYPE]: { schema: this.components.convert(schema, 'output') } };
    return { description: describeSuccess(status), headers: this.headerRefs(traits.answerHeaders), content };
  }

  private refusal(problems: ProblemFactory[], traits: RouteTraits): JsonSchema {
    const codes = [...new Map(problems.map((problem) => [problem.code, problem])).values()];
    const titles = new Set(codes.map(({ definition }) => problemTitle(definition.kind)));
    const isOfKind = (...kinds: ProblemKind[]) => codes.some(({ definition }) => kinds.includes(definition.kind));
    const headers = [
      ...traits.answerHeaders,
      ...(isOfKind('rate_limited') ? this.options.rateLimitHeaders : []),
      ...(isOfKind('rate_limited', 'unavailable') ? ['Retry-After'] : []),
    ];
    const schema = {
      allOf: [this.components.convert(this.options.problemSchema, 'output')],
      properties: { code: { enum: codes.map(({ code }) => code) } },
    };
    return {
      description: `${[...titles].join(' / ')}. ${codes.map(({ code, definition }) => `\`${code}\`: ${definition.text}`).join(' ')}`,
      headers: this.headerRefs(headers),
      content: { [PROBLEM_TYPE]: { schema } },
    };
  }

  private headerRefs(names: readonly string[]): JsonSchema {
    const all = [...this.options.commonHeaders, ...names];
    return Object.fromEntries(all.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  }
}

/** JSON of a standard of its own is anything; all else is text or bytes. */
function rawSchema(mediaType: string): JsonSchema {
  return mediaType === JSON_TYPE ? {} : { type: 'string' };
}

function isTagged({ method, response }: DeclaredRoute): boolean {
  return method === 'GET' && response !== undefined && 'schema' in response;
}

function hasVersion(schema: JsonSchema): boolean {
  return Object.hasOwn((schema.properties ?? {}) as object, 'version');
}

function ownHeaders(route: DeclaredRoute): HeaderParameter[] {
  const text = { type: 'string' };
  const declared = route.read<HeaderParameter>(HEADER_METADATA);
  const headers: HeaderParameter[] = declared === undefined ? [] : [declared];
  if (isTagged(route)) headers.push({ name: 'If-None-Match', description: IF_NONE_MATCH_TEXT, schema: text });
  if (route.read<boolean>(IF_MATCH_METADATA)) {
    const description =
      'The ETag of an answer that showed what is changed. 412 when it has been changed since; without it the change is made all the same.';
    headers.push({ name: 'If-Match', description, schema: text });
  }
  return headers;
}

function describeSuccess(status: number): string {
  if (status === NO_CONTENT) return 'Done.';
  if (status >= REDIRECT_MIN) return 'Go on there.';
  if (status === ACCEPTED) return 'Accepted; what comes of it follows by another way.';
  return status === 201 ? 'Made.' : 'The answer.';
}
