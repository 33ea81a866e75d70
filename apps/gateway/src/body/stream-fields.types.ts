import type { ApiError } from '../errors/api-error.types.js';
import { type Fields, invalidField, isGiven, isRecord, JsonText } from './json-body.types.js';
import type { FieldChange } from './upstream-body.service.js';

export interface Streaming {
  stream: boolean;
  /** The client asked for the usage event itself. */
  wantsUsage: boolean;
  /** `stream_options` for the upstream, which is always asked for the usage of a stream; null = as the client sent them. */
  upstreamOptions: JsonText | null;
}

const ASKED_FOR_USAGE = new JsonText('{"include_usage":true}');

/** `stream` and `stream_options`, alike in chat completions and their forerunner. */
export function readStream({ stream, stream_options: options }: Fields): Streaming | ApiError {
  if (isGiven(stream) && typeof stream !== 'boolean') return invalidField('stream', '"stream" must be true or false.');
  if (!isGiven(options)) {
    return { stream: stream === true, wantsUsage: false, upstreamOptions: stream === true ? ASKED_FOR_USAGE : null };
  }
  if (!isRecord(options)) return invalidField('stream_options', '"stream_options" must be an object.');
  if (stream !== true) return invalidField('stream_options', '"stream_options" may only be given when "stream" is true.');
  const wanted = options.include_usage;
  if (isGiven(wanted) && typeof wanted !== 'boolean')
    return invalidField('stream_options.include_usage', '"stream_options.include_usage" must be true or false.');
  if (wanted === true) return { stream: true, wantsUsage: true, upstreamOptions: null };
  // Written while the request is read, where what is nested too deeply to be written is refused.
  const upstreamOptions = new JsonText(JSON.stringify({ ...options, include_usage: true }));
  return { stream: true, wantsUsage: false, upstreamOptions };
}

/** What has to change for the upstream to tell the usage of a stream; whether the client sees that event is its own choice. */
export function usageOption({ upstreamOptions }: Streaming): FieldChange[] {
  return upstreamOptions === null ? [] : [['stream_options', upstreamOptions]];
}
