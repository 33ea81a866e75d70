import { crc32 } from 'node:zlib';
import type { Call } from '../calls/call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from '../calls/calls.types.js';
import { integerField, isFailure, isObject, missing, readCommonFields, wrongType } from '../calls/request-fields.js';
import { Prompt, planInputTokens, type TokenPlan } from '../calls/token-plan.js';
import { answerWhole } from '../calls/whole-answer.js';
import type { XSim } from '../faults/x-sim.js';
import { type Failure, failureBody, invalidRequest } from '../server/openai-error.js';

const DOCUMENTS_MAX = 10_000;
/** Cohere bills a search per 100 documents begun. */
const DOCUMENTS_PER_SEARCH_UNIT = 100;
const SCORES = 1_000_000;

interface RerankPlan extends TokenPlan {
  model: string;
  sim: XSim;
  results: { index: number; relevance_score: number; document?: { text: string } }[];
  searchUnits: number;
}

/** Cohere's and Jina's wire format in one, as they differ only in how they report what was used. */
export const rerankPlanner: EndpointPlanner = {
  endpoint: 'rerank',
  failureBody,
  plan(request: CallRequest): CallPlan | Failure {
    const plan = planRerank(request);
    if (isFailure(plan)) return plan;
    return { model: plan.model, stream: false, sim: plan.sim, answer: (call) => answer(call, plan) };
  },
};

function planRerank({ bytes, deployment }: CallRequest): RerankPlan | Failure {
  const fields = readCommonFields(bytes, deployment);
  if (isFailure(fields)) return fields;
  const { body, model, sim } = fields;
  const { query } = body;
  if (query === undefined) return missing('query');
  if (typeof query !== 'string') return wrongType('query', 'a string');
  const documents = readDocuments(body.documents);
  if (isFailure(documents)) return documents;
  const top = integerField(body, 'top_n', DOCUMENTS_MAX);
  if (typeof top === 'object') return top;
  const prompt = new Prompt(model);
  prompt.add(query);
  for (const document of documents) prompt.add(document);
  const tokens = planInputTokens(sim, prompt, bytes.length);
  if (isFailure(tokens)) return tokens;
  const results = documents
    .map((text, index) => ({
      index,
      relevance_score: (crc32(text, crc32(query)) % SCORES) / SCORES,
      ...(body.return_documents === true ? { document: { text } } : {}),
    }))
    .sort((a, b) => b.relevance_score - a.relevance_score || a.index - b.index)
    .slice(0, top);
  return { ...tokens, model, sim, results, searchUnits: Math.ceil(documents.length / DOCUMENTS_PER_SEARCH_UNIT) };
}

/** Texts, or objects with a text. */
function readDocuments(documents: unknown): string[] | Failure {
  if (documents === undefined) return missing('documents');
  if (!Array.isArray(documents)) return wrongType('documents', 'an array');
  if (documents.length === 0) return invalidRequest("Invalid 'documents': empty array.", 'documents', 'empty_array');
  if (documents.length > DOCUMENTS_MAX)
    return invalidRequest(`Invalid 'documents': more than ${DOCUMENTS_MAX}.`, 'documents', 'array_above_max_length');
  const texts = documents.map((document) => (isObject(document) ? document.text : document));
  return texts.every((text) => typeof text === 'string') ? texts : wrongType('documents', 'an array of texts');
}

function answer(call: Call, plan: RerankPlan): Promise<void> {
  call.serveTokens(plan, 1);
  const hasUsage = plan.sim.fault !== 'no_usage';
  const used = {
    usage: { total_tokens: plan.promptTokens, prompt_tokens: plan.promptTokens },
    meta: {
      api_version: { version: '2' },
      billed_units: { search_units: plan.searchUnits, input_tokens: plan.promptTokens },
      tokens: { input_tokens: plan.promptTokens },
    },
  };
  const body = JSON.stringify({ id: call.id, model: plan.model, results: plan.results, ...(hasUsage ? used : {}) });
  return answerWhole(call, { sim: plan.sim, contentType: 'application/json', body, hasUsage });
}
