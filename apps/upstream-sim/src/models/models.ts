interface ModelObject {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

/** 2026-01-01T00:00:00Z: models do not change between two runs. */
const CREATED_S = 1_767_225_600;

const MODELS: ModelObject[] = (
  [
    ['gpt-4o', 'openai'],
    ['gpt-4o-mini', 'openai'],
    ['gpt-4.1', 'openai'],
    ['o4-mini', 'openai'],
    ['llama-3.3-70b', 'meta'],
    ['llama-3.1-8b', 'meta'],
    ['mixtral-8x22b', 'mistral'],
    ['deepseek-r1', 'deepseek'],
  ] as const
).map(([id, owner]) => ({ id, object: 'model', created: CREATED_S, owned_by: owner }));

/** What `GET /v1/models` answers. Chat serves any model id: which ones exist is for the gateway's catalogue to say. */
export function modelList(): { object: 'list'; data: ModelObject[] } {
  return { object: 'list', data: MODELS };
}

export function findModel(id: string): ModelObject | null {
  return MODELS.find((model) => model.id === id) ?? null;
}
