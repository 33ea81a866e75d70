import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command, type Redis } from 'ioredis';
import { withDeadline } from './deadline.js';
import { CALL_TIMEOUT_MS } from './redis-options.js';
import { type Turn, turnOf } from './turn.js';

/** How many of a script's arguments are keys, and the files that its text begins with. */
interface ScriptForm {
  keys: number;
  begins?: readonly string[];
}

/** By file name. */
const SCRIPTS = {
  admit: { keys: 3, begins: ['entry', 'rate-log', 'admit-seldom'] },
  settle: { keys: 1, begins: ['entry', 'scope-changes'] },
  release: { keys: 1, begins: ['entry', 'scope-changes'] },
  acknowledge: { keys: 2, begins: ['entry', 'scope-changes'] },
  'seed-totals': { keys: 2 },
  'project-key': { keys: 2 },
  'find-key': { keys: 2 },
  'begin-rebuild': { keys: 4 },
  reassert: { keys: 3 },
  'open-epoch': { keys: 1 },
} as const satisfies Record<string, ScriptForm>;
export type ScriptName = keyof typeof SCRIPTS;

/** Scripts that a client's call waits for. */
const AWAITED_BY_CALLS: ReadonlySet<ScriptName> = new Set(['admit', 'find-key']);

/** Redis answers integers, strings and arrays of these. */
export type ScriptValue = string | number;
/** Runs one script: its keys first, then its arguments. */
export type RunScript = (name: ScriptName, args: ScriptValue[]) => Promise<unknown>;

/** The only clock of admission. In Lua it appears as this text, once per script that needs it. */
const REDIS_CLOCK = "redis.call('TIME')";

interface Script {
  lua: string;
  sha: string;
  numberOfKeys: number;
  /** Connections that have sent its text, and therefore need no more than its digest. */
  sentOn: WeakSet<object>;
}

/** A script's text, with the files that it begins with. */
export function scriptText(name: string, begins: readonly string[] = []): string {
  return [...begins, name].map((file) => readFileSync(new URL(`../lua/${file}.lua`, import.meta.url), 'utf8')).join('\n');
}

function loadScripts(clock: string): Map<ScriptName, Script> {
  return new Map(
    Object.entries<ScriptForm>(SCRIPTS).map(([name, { keys, begins }]) => {
      const lua = scriptText(name, begins).replace(REDIS_CLOCK, clock);
      const sha = createHash('sha1').update(lua).digest('hex');
      return [name as ScriptName, { lua, sha, numberOfKeys: keys, sentOn: new WeakSet() }];
    }),
  );
}

/**
 * Reads the scripts and returns the way to run them on a connection. A script's text is sent once per connection and its digest
 * afterwards; commands are made here because ioredis' own way to do the same costs more than what the gateway does for a call.
 *
 * `clock` replaces the Lua expression that reads the time. It exists for tests alone: windows of 30 days and rolling
 * minutes can only be compared with a model when the test sets the time, and no argument or key of a production script may
 * be able to do that.
 */
export function registerScripts(redis: Redis, clock: string = REDIS_CLOCK): RunScript {
  const scripts = loadScripts(clock);
  const turn: Turn = turnOf(redis);
  return (name, args) => {
    turn.gatherWrites();
    const answer = send(redis, scripts.get(name) as Script, args);
    return AWAITED_BY_CALLS.has(name) ? withDeadline(answer, CALL_TIMEOUT_MS) : answer;
  };
}

function send(redis: Redis, script: Script, args: ScriptValue[]): Promise<unknown> {
  const { stream } = redis;
  const isKnown = stream !== undefined && script.sentOn.has(stream);
  if (stream !== undefined) script.sentOn.add(stream);
  const answer = redis.sendCommand(
    new Command(isKnown ? 'evalsha' : 'eval', [isKnown ? script.sha : script.lua, script.numberOfKeys, ...args], {
      replyEncoding: 'utf8',
    }),
  ) as Promise<unknown>;
  if (!isKnown) return answer;
  return answer.catch((error: Error) => {
    // Somebody flushed the scripts; the text brings this one back. It did not run, so this is its first run.
    if (!error.message.startsWith('NOSCRIPT')) throw error;
    return redis.sendCommand(new Command('eval', [script.lua, script.numberOfKeys, ...args], { replyEncoding: 'utf8' }));
  });
}
