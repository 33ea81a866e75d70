import type { IncomingHttpHeaders } from 'node:http';
import type { Endpoint as EndpointName } from '@tensorloop/contracts/endpoint';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import type { CallShape } from '@tensorloop/pricing/hold';
import type { BearerKey } from '../auth/bearer.service.js';
import type { ApiError } from '../errors/api-error.types.js';
import type { ErrorSkin } from '../errors/error-skin.types.js';
import type { AnswerReading } from '../usage/answer-reading.types.js';

/** What bodies are made of: JSON, or the parts of a form. */
export type BodyKind = 'json' | 'form';

/** What the gateway needs to know of a request, whatever its endpoint. Everything else passes through unread. */
export interface InferenceRequest {
  /** As the client named it: a model's id or one of its aliases. */
  model: string;
  stream: boolean;
  /** The client's own output limit in tokens; null = the model's. 0 for endpoints that generate nothing. */
  maxTokens: number | null;
  shape: CallShape;
  /** The field that images and audio stand in, to name it when the model takes none; "messages" when absent. */
  contentField?: string;
  /** Bytes of predicted output: rejected predictions are billed as output above `maxTokens`. */
  predictionBytes: number;
  /** The client's body with the changes that this deployment needs. `clamp` = output tokens that the hold pays for. */
  bodyFor(deployment: Deployment, clamp: number | null): Buffer;
  /** Headers of the client's that the upstream must see. */
  upstreamHeaders?: Record<string, string>;
  reading: AnswerReading;
}

/** One endpoint of the inference surface: all that tells it from the others. The way of a call is the same for all. */
export interface Endpoint {
  name: EndpointName;
  /** Below `/v1` here, and below a deployment's base URL there. */
  path: string;
  /** "chat completions": for sentences. */
  title: string;
  /** "json" when absent. */
  bodyKind?: BodyKind;
  skin: ErrorSkin;
  /** Where clients of this API look for the request id, beside `x-request-id`. */
  requestIdHeader?: string;
  readKey(headers: IncomingHttpHeaders): BearerKey | ApiError;
  /** Reads and checks a request; what is wrong with it is said by the name of the field. */
  read(body: Buffer, headers: IncomingHttpHeaders): InferenceRequest | ApiError;
}
