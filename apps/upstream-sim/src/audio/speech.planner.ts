import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { isFailure, missing, readCommonFields, wrongType } from '../calls/request-fields.js';
import { answerWhole } from '../calls/whole-answer.js';
import { type Failure, failureBody, invalidRequest } from '../server/openai-error.js';

const INPUT_CHARACTERS_MAX = 4_096;
/** Sound that nobody plays: its length follows the text, its content is silence. */
const BYTES_PER_CHARACTER = 64;
const CONTENT_TYPES: Record<string, string> = {
  mp3: 'audio/mpeg',
  opus: 'audio/opus',
  aac: 'audio/aac',
  flac: 'audio/flac',
  wav: 'audio/wav',
  pcm: 'audio/pcm',
};

/** Billed by the character; the answer has no place for a usage object. */
export const speechPlanner: EndpointPlanner = {
  endpoint: 'audio.speech',
  failureBody,
  plan({ bytes, deployment }: CallRequest): CallPlan | Failure {
    const fields = readCommonFields(bytes, deployment);
    if (isFailure(fields)) return fields;
    const { body, model, sim } = fields;
    if (body.input === undefined) return missing('input');
    if (typeof body.input !== 'string') return wrongType('input', 'a string');
    if (body.voice === undefined) return missing('voice');
    const contentType = CONTENT_TYPES[String(body.response_format ?? 'mp3')];
    if (contentType === undefined) return invalidRequest("Invalid 'response_format'.", 'response_format');
    const characters = [...body.input].length;
    if (characters < 1 || characters > INPUT_CHARACTERS_MAX)
      return invalidRequest(`'input' must have 1 to ${INPUT_CHARACTERS_MAX} characters.`, 'input');
    return { model, stream: false, sim, answer: (call) => answer(call, { characters, contentType, sim }) };
  },
};

interface Speech {
  characters: number;
  contentType: string;
  sim: CallPlan['sim'];
}

function answer(call: Call, { characters, contentType, sim }: Speech): Promise<void> {
  call.units.character = characters;
  const body = Buffer.alloc(characters * BYTES_PER_CHARACTER);
  return answerWhole(call, { sim, contentType, body, hasUsage: false });
}
