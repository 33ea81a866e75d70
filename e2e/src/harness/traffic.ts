import OpenAI from 'openai';
import { chat, chatStream, type Sim } from './chat.js';

/** No traffic of a test goes on for longer, whatever the test forgot. */
const TRAFFIC_CALLS_MAX = 2_000;
/** A gateway that is down refuses at once: twelve lanes would burn all calls on it before one on a slow machine is back. */
const FAILURE_PAUSE_MS = 250;

export interface Traffic {
  /** Request ids of calls that the client saw through to the end. */
  readonly completed: string[];
  /** Calls that ended with an error: refused, or cut by what the test killed. */
  readonly failed: string[];
  /** Ends the traffic once the calls under way have ended. */
  stop(): Promise<void>;
}

export interface TrafficOptions {
  concurrency: number;
  sim: Sim;
}

/** Calls without pause on so many lanes, streamed and not in turn, until stopped. */
export function startTraffic(client: OpenAI, { concurrency, sim }: TrafficOptions): Traffic {
  const completed: string[] = [];
  const failed: string[] = [];
  let isStopping = false;
  let calls = 0;
  const lane = async () => {
    while (!isStopping && calls < TRAFFIC_CALLS_MAX) {
      const stream = calls++ % 2 === 0;
      try {
        const answer = await (stream ? chatStream(client, { sim, maxTokens: 500 }) : chat(client, { sim, maxTokens: 500 }));
        completed.push(answer.requestId);
      } catch (error) {
        failed.push(describeFailure(error));
        await new Promise((resolve) => setTimeout(resolve, FAILURE_PAUSE_MS));
      }
    }
  };
  const lanes = Array.from({ length: concurrency }, lane);
  return {
    completed,
    failed,
    stop: async () => {
      isStopping = true;
      await Promise.all(lanes);
    },
  };
}

/** "429 budget_exceeded insufficient_quota: …" of a refusal, "APIConnectionError: …" of a call that was cut. */
function describeFailure(error: unknown): string {
  if (!(error instanceof OpenAI.APIError) || error.status === undefined) return String(error);
  return `${error.status} ${error.type} ${error.code}: ${error.message}`;
}
