import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export type Behaviour = (res: ServerResponse, req: IncomingMessage) => void | Promise<void>;

const NOTHING: Behaviour = (res) => void res.writeHead(404).end();

/** A provider whose every place (the first segment of its path) does what the test says, and remembers what it was sent. */
export class ScriptedProvider {
  private readonly behaviours = new Map<string, Behaviour>();
  private readonly calls = new Map<string, Received[]>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<ScriptedProvider> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const provider = new ScriptedProvider(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (req, res) => void provider.handle(req, res));
    return provider;
  }

  /** For a deployment's `baseUrl`. */
  at(place: string): string {
    return `${this.url}/${place}/v1`;
  }

  on(place: string, behaviour: Behaviour): void {
    this.behaviours.set(place, behaviour);
    this.calls.delete(place);
  }

  received(place: string): Received[] {
    return this.calls.get(place) ?? [];
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = req.url ?? '';
    const place = url.split('/')[1] ?? '';
    let body = '';
    for await (const chunk of req) body += chunk;
    this.calls.set(place, [...this.received(place), { url, headers: req.headers, body }]);
    await (this.behaviours.get(place) ?? NOTHING)(res, req);
  }
}

const COMPLETION = {
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
};

export function answerWhole(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(COMPLETION));
}

export function refuseWith(status: number, headers: Record<string, string> = {}, message = 'no'): Behaviour {
  return (res) =>
    void res
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ error: { message, type: 'server_error', param: null, code: 'scripted' } }));
}

/** Breaks the connection off without a head. */
export const reset: Behaviour = (_res, req) => void req.socket.destroy();

/** Says nothing until the peer leaves. */
export const hang: Behaviour = () => undefined;
