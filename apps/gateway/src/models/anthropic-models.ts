import type { Model } from '@tensorloop/contracts/model-catalogue';
import { invalidField } from '../body/json-body.types.js';
import { type ApiError, apiError, isApiError } from '../errors/api-error.types.js';

/** As Anthropic's own list has it. */
const PAGE_MODELS_DEFAULT = 20;
const PAGE_MODELS_MAX = 1_000;
const MILLISECONDS = /\.\d+Z$/;

interface Page {
  models: Model[];
  hasMore: boolean;
}

/** A model as clients of Anthropic's read it. What the catalogue does not know is null, as that API itself allows. */
export function toAnthropic(model: Model) {
  return {
    type: 'model',
    id: model.id,
    display_name: model.id,
    created_at: new Date(model.createdAtMs).toISOString().replace(MILLISECONDS, 'Z'),
    max_input_tokens: model.contextTokens,
    max_tokens: model.maxOutputTokens,
    lifecycle: 'active',
    deprecated_at: null,
    retires_at: null,
    line: null,
    capabilities: null,
  };
}

/** One page of the list, the latest model first; `after_id` and `before_id` are its cursors. */
export function anthropicPage(models: readonly Model[], query: URLSearchParams): object | ApiError {
  const page = pageOf(latestFirst(models), query);
  if (isApiError(page)) return page;
  const data = page.models.map(toAnthropic);
  return { data, has_more: page.hasMore, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
}

function latestFirst(models: readonly Model[]): Model[] {
  return models.toSorted((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? -1 : 1));
}

function pageOf(models: Model[], query: URLSearchParams): Page | ApiError {
  const limit = Number(query.get('limit') ?? PAGE_MODELS_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MODELS_MAX)
    return invalidField('limit', `"limit" must be an integer from 1 to ${PAGE_MODELS_MAX}.`);
  const [after, before] = [query.get('after_id'), query.get('before_id')];
  if (after !== null && before !== null)
    return apiError('invalid_value', '"after_id" and "before_id" cannot be given together.', { param: 'before_id' });
  const cursor = models.findIndex(({ id }) => id === (after ?? before));
  if (cursor === -1 && (after ?? before) !== null)
    return invalidField(after === null ? 'before_id' : 'after_id', 'The cursor is not the id of a model in this list.');
  if (before !== null) return { models: models.slice(Math.max(0, cursor - limit), cursor), hasMore: cursor > limit };
  return { models: models.slice(cursor + 1, cursor + 1 + limit), hasMore: models.length > cursor + 1 + limit };
}
