import { type ErrorSkin, OPENAI_SKIN } from '../errors/error-skin.types.js';

/** Errors of the Responses API: OpenAI's as a whole answer; inside a stream an event of its own with the fields at the top. */
export const RESPONSES_SKIN: ErrorSkin = {
  body: OPENAI_SKIN.body,
  event: ({ body: { error } }) => {
    const { code, message, param } = error;
    const data = { type: 'error', code, message, param, sequence_number: 0, error };
    return Buffer.from(`event: error\ndata: ${JSON.stringify(data)}\n\n`);
  },
};
