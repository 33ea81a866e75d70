import { chatCompletions } from './chat/chat.service.js';
import { embeddings } from './embeddings/embeddings.service.js';
import { messages } from './messages/messages.service.js';
import type { Endpoint } from './proxy/endpoint.types.js';
import { rerank } from './rerank/rerank.service.js';

/** Every endpoint that serves calls with a price. A new one is a folder of its own and a line here. */
export const ENDPOINTS: readonly Endpoint[] = [chatCompletions, messages, embeddings, rerank];
