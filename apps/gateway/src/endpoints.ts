import { speech } from './audio/speech.service.js';
import { transcriptions } from './audio/transcriptions.service.js';
import { chatCompletions } from './chat/chat.service.js';
import { completions } from './completions/completions.service.js';
import { embeddings } from './embeddings/embeddings.service.js';
import { images } from './images/images.service.js';
import { messages } from './messages/messages.service.js';
import { moderations } from './moderations/moderations.service.js';
import type { Endpoint } from './proxy/endpoint.types.js';
import { rerank } from './rerank/rerank.service.js';
import { responses } from './responses/responses.service.js';

/** Every endpoint that serves calls with a price. A new one is a folder of its own and a line here. */
export const ENDPOINTS: readonly Endpoint[] = [
  chatCompletions,
  messages,
  responses,
  completions,
  embeddings,
  rerank,
  moderations,
  images,
  speech,
  transcriptions,
];
