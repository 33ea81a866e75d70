import { parseXSim, type XSim } from '../faults/x-sim.js';
import { type Failure, invalidRequest } from '../server/openai-error.js';

export type Body = Record<string, unknown>;

const MODEL_LENGTH_MAX = 256;

/** What every JSON request has. */
export interface CommonFields {
  body: Body;
  model: string;
  stream: boolean;
  sim: XSim;
}

export function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'error' in value && 'status' in value;
}

/** Reads a JSON body and the fields that all endpoints share, or says as OpenAI would what is wrong with them. */
export function readCommonFields(bytes: Buffer, deployment: string | null = null): CommonFields | Failure {
  const body = parseObject(bytes);
  if (!body) return invalidRequest('We could not parse the JSON body of your request.', null);
  const model = readModel(body.model ?? deployment);
  if (isFailure(model)) return model;
  const { stream } = body;
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') return wrongType('stream', 'a boolean');
  const parsed = parseXSim(body.x_sim);
  if ('problem' in parsed) return invalidRequest(parsed.problem, 'x_sim');
  if (parsed.sim.fault === 'cut_json' && stream)
    return invalidRequest('x_sim: fault "cut_json" needs a call that is not streamed', 'x_sim');
  return { body, model, stream: stream === true, sim: parsed.sim };
}

export function readModel(model: unknown): string | Failure {
  if (typeof model !== 'string' || model === '') return invalidRequest('you must provide a model parameter', 'model');
  if (model.length > MODEL_LENGTH_MAX) return invalidRequest(`'model' is longer than ${MODEL_LENGTH_MAX} characters.`, 'model');
  return model;
}

export function parseObject(bytes: Buffer): Body | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function missing(param: string): Failure {
  return invalidRequest(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');
}

export function wrongType(param: string, expected: string): Failure {
  return invalidRequest(`Invalid type for '${param}': expected ${expected}.`, param, 'invalid_type');
}

/** undefined = not given. */
export function integerField(body: Body, param: string, max: number): number | undefined | Failure {
  const value = body[param];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) return wrongType(param, 'an integer');
  if (value < 1) {
    return invalidRequest(
      `Invalid '${param}': integer below minimum value. Expected a value >= 1, but got ${value} instead.`,
      param,
      'integer_below_min_value',
    );
  }
  if (value > max) {
    return invalidRequest(
      `Invalid '${param}': integer above maximum value. Expected a value <= ${max}, but got ${value} instead.`,
      param,
      'integer_above_max_value',
    );
  }
  return value;
}

/** The smallest of the fields that bound the output, or Infinity. */
export function outputLimit(body: Body, params: readonly string[]): number | Failure {
  let limit = Number.POSITIVE_INFINITY;
  for (const param of params) {
    const value = integerField(body, param, Number.MAX_SAFE_INTEGER);
    if (typeof value === 'object') return value;
    if (value !== undefined) limit = Math.min(limit, value);
  }
  return limit;
}
