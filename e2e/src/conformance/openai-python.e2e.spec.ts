import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isUuid7 } from '@tensorloop/kernel/uuid7';
import { Installation, SETUP_TIMEOUT_MS } from '../harness/installation.js';
import { findPythonWithOpenAi, installedVersion, runPython } from '../harness/python.js';

const found = findPythonWithOpenAi();

/** Everything in one process: what costs time in Python is its start. Prints what it saw as one JSON object. */
const SCRIPT = `
import json, os, openai
def client(key="KEY", **kw):
    return openai.OpenAI(api_key=os.environ[key], base_url=os.environ["BASE_URL"], max_retries=0, **kw)
ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is the weather in Paris?"}]}
def sim(**kw): return {"x_sim": kw}
seen = {}
c = client()
whole = c.chat.completions.create(**ask, extra_body=sim(promptTokens=30, completionTokens=9))
seen["whole"] = [whole.choices[0].message.content, whole.usage.prompt_tokens, whole.usage.completion_tokens]
seen["request_id"] = whole._request_id
chunks = list(c.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}, extra_body=sim(promptTokens=30, completionTokens=9)))
seen["stream"] = ["".join(k.choices[0].delta.content or "" for k in chunks if k.choices), chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens]
tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
called = c.chat.completions.create(**ask, tools=[tool], extra_body=sim(toolCall={"name": "get_weather", "arguments": {"city": "Paris"}}))
call = called.choices[0].message.tool_calls[0].function
seen["tool"] = [called.choices[0].finish_reason, call.name, json.loads(call.arguments)]
seen["embeddings"] = [len(e.embedding) > 1 for e in c.embeddings.create(model="text-embedding-3-small", input=["a", "b"]).data]
seen["response"] = c.responses.create(model="gpt-4o-mini", input="Hello", extra_body=sim(completionTokens=4)).usage.output_tokens
seen["models"] = "gpt-4o-mini" in [m.id for m in c.models.list()]
def failure(call):
    try: call()
    except openai.APIError as e: return [type(e).__name__, getattr(e, "status_code", None), e.code]
    return None
os.environ["BAD"] = "tl_none"
seen["errors"] = [
    failure(lambda: client("BAD").models.list()),
    failure(lambda: client("NARROW").chat.completions.create(**{**ask, "model": "gpt-4o"})),
    failure(lambda: c.models.retrieve("nobody")),
    failure(lambda: c.chat.completions.create(**ask, max_tokens=0)),
    failure(lambda: [client("SLOW").chat.completions.create(**ask) for _ in range(2)]),
    failure(lambda: c.chat.completions.create(**ask, extra_body=sim(fault="status", status=500))),
    failure(lambda: list(c.chat.completions.create(**ask, stream=True, extra_body=sim(fault="cut", completionTokens=40)))),
]
print(json.dumps(seen))
`;

interface Seen {
  whole: [string, number, number];
  request_id: string;
  stream: [string, number, number];
  errors: unknown[];
}

if ('absent' in found) {
  describe('OpenAI for Python', () => {
    it(`was not tried on this machine: ${found.absent}`, () => {
      expect(installedVersion()).toBeNull();
    });
  });
} else {
  describe(`OpenAI ${found.version} for Python`, () => {
    let installation: Installation;
    let seen: Seen;

    beforeAll(async () => {
      installation = await Installation.start();
      const pro = await installation.signUp('pro');
      const [key, narrow, slow] = [
        await installation.mint(pro),
        await installation.mint(pro, { models: ['gpt-4o-mini'] }),
        await installation.mint(pro, { rpm: 1 }),
      ];
      const keys = { KEY: key.key.key, NARROW: narrow.key.key, SLOW: slow.key.key };
      const baseUrl = `${installation.gatewayUrl}/v1`;
      seen = (await runPython(found.python, SCRIPT, { ...keys, BASE_URL: baseUrl })) as Seen;
    }, SETUP_TIMEOUT_MS);
    afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

    it('reads whole answers, streams, tool calls, vectors, responses and models', () => {
      expect(seen.whole).toEqual([expect.any(String), 30, 9]);
      expect(seen.whole[0].trim().split(' ')).toHaveLength(9);
      expect(seen.stream).toEqual(seen.whole);
      expect(isUuid7(seen.request_id)).toBe(true);
      expect(seen).toMatchObject({
        tool: ['tool_calls', 'get_weather', { city: 'Paris' }],
        embeddings: [true, true],
        response: 4,
        models: true,
      });
    });

    it('raises the class that clients catch', () => {
      expect(seen.errors).toEqual([
        ['AuthenticationError', 401, 'invalid_api_key'],
        ['PermissionDeniedError', 403, 'model_not_allowed'],
        ['NotFoundError', 404, 'model_not_found'],
        ['BadRequestError', 400, 'invalid_value'],
        ['RateLimitError', 429, 'rate_limit_exceeded'],
        ['InternalServerError', 500, expect.any(String)],
        ['APIError', null, 'upstream_cut'],
      ]);
    });
  });
}
