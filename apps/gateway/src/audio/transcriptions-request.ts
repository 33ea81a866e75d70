import { type FormBody, type FormField, readForm, textOf } from '../body/form-body.service.js';
import { invalidField, missingField } from '../body/json-body.types.js';
import { unsupportedField } from '../body/priced-fields.types.js';
import { type ApiError, isApiError } from '../errors/api-error.types.js';

export const FORMATS = ['json', 'verbose_json', 'text', 'srt', 'vtt'] as const;
export type TranscriptionFormat = (typeof FORMATS)[number];

/** What bears on the price of a transcription, and where in the form it stands. */
export interface TranscriptionRequest {
  model: string;
  modelField: FormField;
  format: TranscriptionFormat;
  /** Bytes of the file. */
  fileBytes: number;
  form: FormBody;
}

/** Fields that decide about the price. Given twice, one parser would take the first and another the last. */
const SINGLE = ['model', 'file', 'response_format', 'stream'] as const;

export function readTranscriptionRequest(body: Buffer, contentType: string | undefined): TranscriptionRequest | ApiError {
  const form = readForm(body, contentType);
  if (isApiError(form)) return form;
  for (const name of SINGLE) {
    if (form.fields.filter((field) => field.name === name).length > 1)
      return invalidField(name, `"${name}" must be given once.`);
  }
  const [modelField, file, url] = [find(form, 'model'), find(form, 'file'), find(form, 'url')];
  if (modelField === null) return missingField('model');
  const model = shortText(form, modelField);
  if (isApiError(model)) return model;
  if (model === '') return invalidField('model', '"model" must be the id of a model, as text.');
  // A file behind an address could be of any length.
  if (url !== null) return unsupportedField('url', 'Only files in the form itself are taken: send "file" in place of "url".');
  if (file === null) return missingField('file');
  if (!file.isFile) return invalidField('file', '"file" must be a file, with a name.');
  const format = readFormat(form);
  if (typeof format !== 'string') return format;
  return streamProblem(form) ?? { model, modelField, format, fileBytes: file.to - file.from, form };
}

function find(form: FormBody, name: string): FormField | null {
  return form.fields.find((field) => field.name === name) ?? null;
}

function shortText(form: FormBody, field: FormField): string | ApiError {
  const text = field.isFile ? null : textOf(form, field);
  return text ?? invalidField(field.name, `"${field.name}" must be text in UTF-8, and not a file.`);
}

function readFormat(form: FormBody): TranscriptionFormat | ApiError {
  const field = find(form, 'response_format');
  if (field === null) return 'json';
  const text = shortText(form, field);
  if (isApiError(text)) return text;
  const format = FORMATS.find((one) => one === text);
  return format ?? invalidField('response_format', `"response_format" must be one of ${FORMATS.join(', ')}.`);
}

/** Servers take several words for true; only the plain "false" is surely none of them. */
function streamProblem(form: FormBody): ApiError | null {
  const field = find(form, 'stream');
  if (field === null || shortText(form, field) === 'false') return null;
  return unsupportedField('stream', 'Transcriptions are not streamed here: leave "stream" out, or send "false".');
}
