import { createHash } from 'node:crypto';
import { KeptShape } from '@tensorloop/kernel/kept-shape';
import { Command, type Redis } from 'ioredis';
import { readLua } from './lua-files.js';
import {
  type FunctionName,
  lacksFunctions,
  lacksLibrary,
  loadLibrary,
  type ScriptLibrary,
  scriptLibrary,
} from './script-library.js';
import { type Turn, turnOf } from './turn.js';

/** By file name: how many of a script's arguments are keys. */
const SCRIPTS = {
  'seed-totals': 2,
  'project-key': 2,
  'begin-rebuild': 4,
  reassert: 3,
  'open-epoch': 1,
} as const satisfies Record<string, number>;
type ScriptName = keyof typeof SCRIPTS;
/** Functions have one key, and the rest as arguments. */
const FUNCTION_KEYS = 1;

/** Redis answers integers, strings and arrays of these. */
export type ScriptValue = string | number;
/** Runs one script: its keys first, then its arguments. */
export type RunScript = (name: ScriptName | FunctionName, args: ScriptValue[]) => Promise<unknown>;

/** The only clock of admission. In Lua it appears as this text. */
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
  return [...begins, name].map(readLua).join('\n');
}

function toScript(lua: string, numberOfKeys: number): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex'), numberOfKeys, sentOn: new WeakSet() };
}

/**
 * Reads the scripts and returns the way to run them on a connection. Those that each call needs, and what shares their rules, are
 * functions of a library, whose own functions and tables Redis then makes once and not in each run; a server without functions runs
 * them as scripts. A script's text is sent once per connection and its digest afterwards; commands are made here because ioredis' own
 * way to do the same costs more than what the gateway does for a call.
 *
 * `clock` replaces the Lua expression that reads the time. It exists for tests alone: windows of 30 days and rolling
 * minutes can only be compared with a model when the test sets the time, and no argument or key of a production script may
 * be able to do that.
 */
export function registerScripts(redis: Redis, clock: string = REDIS_CLOCK): RunScript {
  const withClock = (lua: string) => lua.replaceAll(REDIS_CLOCK, clock);
  const scripts = new Map<string, Script>(
    Object.entries(SCRIPTS).map(([name, keys]) => [name, toScript(withClock(scriptText(name)), keys)]),
  );
  const functions = new Functions(redis, scriptLibrary(withClock));
  const turn: Turn = turnOf(redis);
  return (name, args) => {
    turn.gatherWrites();
    const script = scripts.get(name);
    if (script === undefined) return functions.run(name as FunctionName, args);
    return send(redis, script, args);
  };
}

/** The library on one connection. */
class Functions {
  /** Set where the server has no functions. */
  private scripts: Map<FunctionName, Script> | null = null;
  private readonly loadedOn = new WeakSet<object>();
  private readonly commandShape = new KeptShape<Command>();

  constructor(
    private readonly redis: Redis,
    private readonly library: ScriptLibrary,
  ) {}

  run(name: FunctionName, args: ScriptValue[]): Promise<unknown> {
    if (this.scripts !== null) return this.runAsScript(this.scripts, name, args);
    const { stream } = this.redis;
    if (stream !== undefined && !this.loadedOn.has(stream)) {
      this.loadedOn.add(stream);
      // Not waited for: commands of one connection run in their order.
      void loadLibrary(this.redis, this.library);
    }
    return this.call(name, args).catch((error: Error) => this.runOtherwise(error, name, args));
  }

  private call(name: FunctionName, args: ScriptValue[]): Promise<unknown> {
    const words = [this.library.functionName(name), FUNCTION_KEYS, ...args];
    return this.redis.sendCommand(
      this.commandShape.keep(new Command('fcall', words, { replyEncoding: 'utf8' })),
    ) as Promise<unknown>;
  }

  private runOtherwise(error: Error, name: FunctionName, args: ScriptValue[]): Promise<unknown> {
    if (!lacksLibrary(error)) return this.runWithoutFunctions(error, name, args);
    void loadLibrary(this.redis, this.library);
    return this.call(name, args).catch((again: Error) => this.runWithoutFunctions(again, name, args));
  }

  /** Also where the library is still missing after it was loaded: then we may call functions and not load any. */
  private runWithoutFunctions(error: Error, name: FunctionName, args: ScriptValue[]): Promise<unknown> {
    if (!lacksFunctions(error) && !lacksLibrary(error)) throw error;
    this.scripts ??= new Map();
    return this.runAsScript(this.scripts, name, args);
  }

  private runAsScript(scripts: Map<FunctionName, Script>, name: FunctionName, args: ScriptValue[]): Promise<unknown> {
    const script = scripts.get(name) ?? toScript(this.library.scriptText(name), FUNCTION_KEYS);
    scripts.set(name, script);
    return send(this.redis, script, args);
  }
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
