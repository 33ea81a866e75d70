import { type ApiError, apiError } from '../errors/api-error.types.js';
import { type Fields, invalidField, isGiven, isRecord } from './json-body.types.js';

/** Tool kinds that run at the client and have no price of their own. */
const FREE_TOOL_KINDS = new Set<unknown>(['function', 'custom']);
/** Tiers at the model's ordinary price or below it. */
const PLAIN_TIERS = new Set<unknown>(['auto', 'default', 'flex']);

export function unsupportedField(param: string, message: string): ApiError {
  return apiError('unsupported_content', message, { param });
}

/** Tools that the provider runs cost by the call, by the hour or by what they read, none of which can be held for. */
export function pricedTool(tools: unknown, param = 'tools'): ApiError | null {
  if (!isGiven(tools)) return null;
  if (!Array.isArray(tools)) return invalidField(param, `"${param}" must be a list of tools.`);
  const odd = tools.findIndex((tool) => !isRecord(tool) || !FREE_TOOL_KINDS.has(tool.type));
  if (odd === -1) return null;
  return unsupportedField(
    `${param}[${odd}].type`,
    'Only tools of type "function" and "custom" are served: tools run by the provider have prices of their own.',
  );
}

/** Faster tiers cost a multiple of what the price book says. */
export function pricedTier({ service_tier: tier }: Fields): ApiError | null {
  if (!isGiven(tier) || PLAIN_TIERS.has(tier)) return null;
  return unsupportedField(
    'service_tier',
    '"service_tier" must be "auto", "default" or "flex": other tiers have prices of their own.',
  );
}
