/**
 * Loaded before Portkey's gateway 1.15.2, which adds headers to the very Response that `fetch` gave it. Node ≥ 22 keeps those
 * unchangeable and the gateway then answers every stream with 500. A stream's answer is therefore wrapped in a new Response;
 * JSON answers, which it copies itself, are left alone so that they cost it nothing.
 */
const original = globalThis.fetch;

globalThis.fetch = async (...args) => {
  const response = await original(...args);
  if (!response.headers.get('content-type')?.includes('event-stream')) return response;
  return new Response(response.body, { status: response.status, headers: response.headers });
};

export {};
