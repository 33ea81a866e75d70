import { type KeyCreated, keyCreatedSchema, type Me, meSchema } from '@tensorloop/contracts/dashboard-api';
import { confirmAddress } from '@tensorloop/db/installation';
import { setAccountPlan } from '@tensorloop/db/operator';
import { type Secrets, saveSecrets } from './state.ts';

export const DEMO_EMAIL = 'demo@example.com';
const DEMO_PLAN = 'pro';
const REQUEST_TIMEOUT_MS = 15_000;

export interface DemoInputs {
  controlPlaneUrl: string;
  gatewayUrl: string;
  ownerDatabaseUrl: string;
  secrets: Secrets;
  /** Whether addresses are confirmed by mail: then nobody signs in with one that is not, and no mail reaches this one. */
  sendsMail: boolean;
}

/** Makes or finds the demo account on plan pro, over the same HTTP API as everybody, and returns a key that works. */
export async function prepareDemoAccount(inputs: DemoInputs): Promise<string> {
  const { secrets } = inputs;
  // An earlier start, without mail, may have made it.
  await confirmIfNeeded(inputs);
  if (secrets.demoKey && (await isKeyAccepted(inputs.gatewayUrl, secrets.demoKey))) return secrets.demoKey;
  const session = new DashboardSession(inputs.controlPlaneUrl);
  const credentials = { email: DEMO_EMAIL, password: secrets.demoPassword };
  const signedIn = await session.post('/api/auth/sign-in', credentials);
  if (!signedIn.ok) await signUp(session, inputs);
  const me: Me = meSchema.parse(await expectOk(await session.get('/api/me')));
  if (me.account.plan.id !== DEMO_PLAN) await setAccountPlan(inputs.ownerDatabaseUrl, me.account.id, DEMO_PLAN);
  const minted: KeyCreated = keyCreatedSchema.parse(await expectOk(await session.post('/api/keys', { name: 'demo' })));
  saveSecrets({ ...secrets, demoKey: minted.key });
  return minted.key;
}

async function signUp(session: DashboardSession, inputs: DemoInputs): Promise<void> {
  const credentials = { email: DEMO_EMAIL, password: inputs.secrets.demoPassword };
  await expectOk(await session.post('/api/auth/sign-up', credentials));
  if (!inputs.sendsMail) return;
  await confirmIfNeeded(inputs);
  await expectOk(await session.post('/api/auth/sign-in', credentials));
}

async function confirmIfNeeded({ sendsMail, ownerDatabaseUrl }: DemoInputs): Promise<void> {
  if (sendsMail) await confirmAddress(ownerDatabaseUrl, DEMO_EMAIL);
}

async function isKeyAccepted(gatewayUrl: string, key: string): Promise<boolean> {
  const response = await fetch(`${gatewayUrl}/v1/models`, {
    headers: { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  await response.arrayBuffer();
  return response.ok;
}

async function expectOk(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${text.slice(0, 500)}`);
  return text === '' ? null : JSON.parse(text);
}

/** The least of a browser: remembers cookies, names its origin. */
class DashboardSession {
  private readonly baseUrl: string;
  private readonly cookies = new Map<string, string>();

  constructor(baseUrl: string) {
    this.baseUrl = baseUrl;
  }

  get(path: string): Promise<Response> {
    return this.send(path, { method: 'GET' });
  }

  post(path: string, body: object): Promise<Response> {
    return this.send(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(this.baseUrl + path, {
      ...init,
      headers: {
        ...(init.headers as Record<string, string>),
        origin: this.baseUrl,
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        // Minting is repeatable safely; here each mint is meant.
        'idempotency-key': crypto.randomUUID(),
      },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      this.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    return response;
  }
}
