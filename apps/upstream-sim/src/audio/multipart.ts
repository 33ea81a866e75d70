import type { CallRequest } from '../calls/calls.types.js';

const MULTIPART = /^multipart\/form-data\s*;/i;

/** The fields of a form, or null when the body is none. The parser is the platform's own. */
export async function readForm({ bytes, headers }: Pick<CallRequest, 'bytes' | 'headers'>): Promise<FormData | null> {
  const contentType = headers['content-type'] ?? '';
  if (!MULTIPART.test(contentType)) return null;
  try {
    return await new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } }).formData();
  } catch {
    return null;
  }
}
