import type { ApiError } from '../errors/api-error.types.js';
import { type Fields, invalidField, isGiven, isRecord } from './json-body.types.js';
import type { FieldChange } from './upstream-body.service.js';

export interface Streaming {
  stream: boolean;
  /** The client asked for the usage event itself. */
  wantsUsage: boolean;
}

/** `stream` and `stream_options`, alike in chat completions and their forerunner. */
export function readStream({ stream, stream_options: options }: Fields): Streaming | ApiError {
  if (isGiven(stream) && typeof stream !== 'boolean') return invalidField('stream', '"stream" must be true or false.');
  if (!isGiven(options)) return { stream: stream === true, wantsUsage: false };
  if (!isRecord(options)) return invalidField('stream_options', '"stream_options" must be an object.');
  if (stream !== true) return invalidField('stream_options', '"stream_options" may only be given when "stream" is true.');
  const wanted = options.include_usage;
  if (isGiven(wanted) && typeof wanted !== 'boolean')
    return invalidField('stream_options.include_usage', '"stream_options.include_usage" must be true or false.');
  return { stream: true, wantsUsage: wanted === true };
}

/** The upstream is always asked for the usage of a stream; whether the client sees that event is its own choice. */
export function usageOption(fields: Fields): FieldChange[] {
  const options = (fields.stream_options ?? {}) as Fields;
  return options.include_usage === true ? [] : [['stream_options', { ...options, include_usage: true }]];
}
