import type { PictureDimension } from '@tensorloop/pricing/hold';
import {
  type Fields,
  invalidField,
  isGiven,
  missingField,
  parseFields,
  readCount,
  readFlag,
  readModel,
} from '../body/json-body.types.js';
import { unsupportedField } from '../body/priced-fields.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';

/** As many as OpenAI makes in one call. */
export const IMAGES_MAX = 10;
const SIDE_PIXELS_PLAIN_MAX = 1_024;
const SIZE = /^(\d{1,5})x(\d{1,5})$/;
/** All others cost more, or may: what a provider chooses by itself ("auto") is held for as the dearest. */
const PLAIN_QUALITIES = new Set<unknown>(['standard', 'low', 'medium']);
/** One picture each; several frames, or a drawing that a language model writes, cost what cannot be known beforehand. */
const PICTURE_FORMATS = new Set<unknown>(['png', 'jpeg', 'webp']);

/**
 * What tells other providers than OpenAI how many pictures to make, how large and how carefully. Passed on unread they would be
 * made and paid for, and held and charged for as something else.
 */
export const PRICED_FIELDS = [
  'width',
  'height',
  'resolution',
  'image_size',
  'image_config',
  'aspect_ratio',
  'megapixels',
  'num_images',
  'num_outputs',
  'batch_size',
  'steps',
  'num_inference_steps',
];

/** What bears on the price of pictures. */
export interface ImagesRequest {
  model: string;
  count: number;
  dimension: PictureDimension;
  fields: Fields;
}

export function readImagesRequest(body: Buffer): ImagesRequest | ApiError {
  const parsed = parseFields(body);
  if (isApiError(parsed)) return parsed;
  const { fields } = parsed;
  const model = readModel(fields);
  if (typeof model !== 'string') return model;
  if (fields.prompt === undefined) return missingField('prompt');
  if (typeof fields.prompt !== 'string') return invalidField('prompt', '"prompt" must be text.');
  const count = readCount(fields, 'n', IMAGES_MAX);
  if (isApiError(count)) return count;
  const problem = unservedField(fields);
  if (problem !== null) return problem;
  const dimension = pictureDimension(fields);
  return isApiError(dimension) ? dimension : { model, count: count ?? 1, dimension, fields };
}

function unservedField(fields: Fields): ApiError | null {
  const stream = readFlag(fields, 'stream');
  if (stream !== false)
    return stream === true ? unsupportedField('stream', 'Images are not streamed here: leave "stream" out.') : stream;
  const { output_format: format, complexity } = fields;
  if (isGiven(format) && !PICTURE_FORMATS.has(format))
    return unsupportedField('output_format', '"output_format" must be "png", "jpeg" or "webp".');
  if (isGiven(complexity))
    return unsupportedField('complexity', '"complexity" is not served: what planning a picture costs cannot be held for.');
  const priced = PRICED_FIELDS.find((name) => isGiven(fields[name]));
  return priced === undefined ? null : unsupportedField(priced, `"${priced}" is not served: use "n", "size" and "quality".`);
}

/** Absent, both mean the plainest that a model sold by the piece makes: standard quality, 1024x1024. */
function pictureDimension({ size, quality }: Fields): PictureDimension | ApiError {
  if (isGiven(size) && typeof size !== 'string') return invalidField('size', '"size" must be text, such as "1024x1024".');
  if (isGiven(quality) && typeof quality !== 'string')
    return invalidField('quality', '"quality" must be text, such as "standard".');
  const isLarge = isGiven(size) && !isPlainSize(size as string);
  const isHd = isGiven(quality) && !PLAIN_QUALITIES.has(quality);
  if (isLarge) return isHd ? 'image_hd_large' : 'image_large';
  return isHd ? 'image_hd' : 'image';
}

function isPlainSize(size: string): boolean {
  const [, width, height] = SIZE.exec(size) ?? [];
  return width !== undefined && Number(width) <= SIDE_PIXELS_PLAIN_MAX && Number(height) <= SIDE_PIXELS_PLAIN_MAX;
}
