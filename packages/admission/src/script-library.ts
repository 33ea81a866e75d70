import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { readLua } from './lua-files.js';

/** Files of the library, in the order in which they need each other. */
const FILES = [
  'entry',
  'accounts',
  'rate-log',
  'admit-seldom',
  'settle',
  'admit',
  'find-key',
  'release',
  'acknowledge',
] as const;

/**
 * What the library offers. Some of its functions run although Redis is out of memory: what they do frees some. One only reads, and
 * runs wherever Redis answers.
 */
const FUNCTIONS = {
  admit: [],
  settle: [],
  findKey: ['no-writes'],
  release: ['allow-oom'],
  acknowledge: ['allow-oom'],
} as const satisfies Record<string, readonly string[]>;
export type FunctionName = keyof typeof FUNCTIONS;

/** Libraries of other releases that a server may keep: more than are in use at the same time. */
export const LIBRARIES_KEPT_MAX = 8;
const NAME = 'tensorloop_admission_';
const DIGEST_CHARACTERS = 16;

export interface ScriptLibrary {
  name: string;
  /** For FUNCTION LOAD. */
  text: string;
  /** The name of a function on the server: of this library alone, so that two releases may run side by side. */
  functionName(name: FunctionName): string;
  /** The same as a script, for servers without functions. */
  scriptText(name: FunctionName): string;
}

/** `replaceClock` puts the clock of a test into a script's text. */
export function scriptLibrary(replaceClock: (lua: string) => string): ScriptLibrary {
  const lua = replaceClock(FILES.map(readLua).join('\n'));
  const digest = createHash('sha256').update(lua).digest('hex').slice(0, DIGEST_CHARACTERS);
  const functionName = (name: FunctionName) => `${name}_${digest}`;
  const registrations = Object.entries(FUNCTIONS).map(([name, flags]) => {
    const listed = flags.map((flag) => `'${flag}'`).join(', ');
    const fields = `function_name = '${functionName(name as FunctionName)}', callback = ${name}, flags = { ${listed} }`;
    return `redis.register_function{ ${fields} }`;
  });
  return {
    name: NAME + digest,
    text: [`#!lua name=${NAME}${digest}`, lua, ...registrations].join('\n'),
    functionName,
    scriptText: (name) => `${lua}\nreturn ${name}(KEYS, ARGV)`,
  };
}

/** The server has no functions, or we may not use them. What was sent did not run. */
export function lacksFunctions(error: Error): boolean {
  return error.message.startsWith('ERR unknown command') || error.message.startsWith('NOPERM');
}

/** Somebody removed the library, or the server was started anew without it. What was sent did not run. */
export function lacksLibrary(error: Error): boolean {
  return error.message.startsWith('ERR Function not found');
}

/**
 * Makes the server know the library, which usually it does already: then it says so without reading the text. Never rejects, since
 * whoever calls a function next learns of it.
 */
export async function loadLibrary(redis: Redis, library: ScriptLibrary): Promise<void> {
  try {
    await redis.call('FUNCTION', 'LOAD', library.text);
    await removeOldLibraries(redis, library);
  } catch {
    // It is there already, or cannot be.
  }
}

/** Releases leave their libraries behind. One that is in use after all is loaded again by who misses it. */
async function removeOldLibraries(redis: Redis, { name: ownName }: ScriptLibrary): Promise<void> {
  const listed = (await redis.call('FUNCTION', 'LIST', 'LIBRARYNAME', `${NAME}*`)) as [string, string, ...unknown[]][];
  const others = listed.map(([, name]) => name).filter((name) => name !== ownName);
  if (others.length <= LIBRARIES_KEPT_MAX) return;
  for (const name of others) await redis.call('FUNCTION', 'DELETE', name);
}
