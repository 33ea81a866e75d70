import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { withDeadline } from './deadline.js';
import { CALL_TIMEOUT_MS } from './redis-options.js';

/** Each script's file name and how many of its arguments are keys. */
const SCRIPTS = {
  admit: 4,
  settle: 1,
  release: 1,
  acknowledge: 2,
  'seed-totals': 2,
  'project-key': 2,
  'find-key': 2,
  'begin-rebuild': 4,
  reassert: 3,
  'open-epoch': 1,
} as const;
export type ScriptName = keyof typeof SCRIPTS;

/** Scripts that a client's call waits for. */
const AWAITED_BY_CALLS: ReadonlySet<ScriptName> = new Set(['admit', 'find-key']);

/** Redis answers integers, strings and flat arrays of both. */
export type ScriptValue = string | number;
type ScriptCommand = (...args: ScriptValue[]) => Promise<unknown>;
/** Runs one script: its keys first, then its arguments. */
export type RunScript = (name: ScriptName, args: ScriptValue[]) => Promise<unknown>;

/** The only clock of admission. In Lua it appears as this text, once per script that needs it. */
const REDIS_CLOCK = "redis.call('TIME')";

function commandName(name: ScriptName): string {
  return `tensorloop:${name}`;
}

/**
 * Registers the scripts on a connection and returns the way to run them. ioredis sends a script's text once per
 * connection and its digest afterwards.
 *
 * `clock` replaces the Lua expression that reads the time. It exists for tests alone: windows of 30 days and rolling
 * minutes can only be compared with a model when the test sets the time, and no argument or key of a production script may
 * be able to do that.
 */
export function registerScripts(redis: Redis, clock: string = REDIS_CLOCK): RunScript {
  for (const [name, numberOfKeys] of Object.entries(SCRIPTS)) {
    const lua = readFileSync(new URL(`../lua/${name}.lua`, import.meta.url), 'utf8').replace(REDIS_CLOCK, clock);
    redis.defineCommand(commandName(name as ScriptName), { numberOfKeys, lua });
  }
  const commands = redis as unknown as Record<string, ScriptCommand>;
  const gather = gatherWrites(redis);
  return (name, args) => {
    gather();
    const answer = (commands[commandName(name)] as ScriptCommand).apply(redis, args);
    return AWAITED_BY_CALLS.has(name) ? withDeadline(answer, CALL_TIMEOUT_MS) : answer;
  };
}

/**
 * Everything that one turn of the event loop asks of Redis leaves in one write: under load the system call for a command costs
 * more than all that the gateway does for it. Nothing waits for company, because the write follows in the same turn.
 */
function gatherWrites(redis: Redis): () => void {
  let corked: Redis['stream'] | null = null;
  return () => {
    const { stream } = redis;
    // A connection that is not there yet, or not any more, has nothing to write to: the command itself then says so.
    if (corked !== null || stream === undefined || stream.destroyed) return;
    corked = stream;
    stream.cork();
    setImmediate(() => {
      corked = null;
      stream.uncork();
    });
  };
}
