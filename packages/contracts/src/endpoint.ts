import { z } from 'zod';

/** The inference endpoints by their name in events, activity and the catalogue. */
export const ENDPOINTS = [
  'chat.completions',
  'completions',
  'embeddings',
  'rerank',
  'responses',
  'messages',
  'images.generations',
  'audio.transcriptions',
  'audio.speech',
  'moderations',
] as const;
export const endpointSchema = z.enum(ENDPOINTS);
export type Endpoint = z.infer<typeof endpointSchema>;
