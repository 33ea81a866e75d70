import type { EndpointPlanner } from '../calls/calls.types.js';
import { chatPlanner } from '../chat/chat.planner.js';
import { embeddingsPlanner } from '../embeddings/embeddings.planner.js';
import { messagesPlanner } from '../messages/messages.planner.js';
import { rerankPlanner } from '../rerank/rerank.planner.js';
import { responsesPlanner } from '../responses/responses.planner.js';

/** Who answers a POST to which path behind the version segment. */
const PLANNERS: ReadonlyMap<string, EndpointPlanner> = new Map([
  ['chat/completions', chatPlanner],
  ['embeddings', embeddingsPlanner],
  ['responses', responsesPlanner],
  ['messages', messagesPlanner],
  ['rerank', rerankPlanner],
]);

const PREFIX = '/v1/';

export function findPlanner(path: string): EndpointPlanner | null {
  return path.startsWith(PREFIX) ? (PLANNERS.get(path.slice(PREFIX.length)) ?? null) : null;
}
