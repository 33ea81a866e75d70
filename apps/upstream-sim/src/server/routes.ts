import type { IncomingMessage } from 'node:http';
import { speechPlanner } from '../audio/speech.planner.js';
import { transcriptionsPlanner } from '../audio/transcriptions.planner.js';
import { behindAzure, parseAzurePath } from '../azure/azure.js';
import type { EndpointPlanner } from '../calls/calls.types.js';
import { chatPlanner } from '../chat/chat.planner.js';
import { completionsPlanner } from '../completions/completions.planner.js';
import { embeddingsPlanner } from '../embeddings/embeddings.planner.js';
import { imagesPlanner } from '../images/images.planner.js';
import { messagesPlanner } from '../messages/messages.planner.js';
import { moderationsPlanner } from '../moderations/moderations.planner.js';
import { rerankPlanner } from '../rerank/rerank.planner.js';
import { responsesPlanner } from '../responses/responses.planner.js';

/** Who answers a POST to which path behind the version segment. */
const PLANNERS: ReadonlyMap<string, EndpointPlanner> = new Map([
  ['chat/completions', chatPlanner],
  ['completions', completionsPlanner],
  ['embeddings', embeddingsPlanner],
  ['responses', responsesPlanner],
  ['messages', messagesPlanner],
  ['rerank', rerankPlanner],
  ['moderations', moderationsPlanner],
  ['images/generations', imagesPlanner],
  ['audio/speech', speechPlanner],
  ['audio/transcriptions', transcriptionsPlanner],
]);

const PREFIX = '/v1/';

export interface Route {
  planner: EndpointPlanner;
  /** The model that the path names; null = the body does. */
  deployment: string | null;
}

export function findRoute(req: IncomingMessage, path: string): Route | null {
  if (path.startsWith(PREFIX)) return route(PLANNERS.get(path.slice(PREFIX.length)), null);
  const azure = parseAzurePath(path);
  const planner = azure && PLANNERS.get(azure.operation);
  return planner ? route(behindAzure(planner, req), azure.deployment) : null;
}

function route(planner: EndpointPlanner | undefined, deployment: string | null): Route | null {
  return planner ? { planner, deployment } : null;
}
