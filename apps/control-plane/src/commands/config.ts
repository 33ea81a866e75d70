import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Where `npm start` keeps everything; TENSORLOOP_DATA_DIR names another for a second instance. */
const DATA_FOLDER_DEFAULT = '.data';
const KEY_PEPPER_VERSION_DEFAULT = '1';
const stackFileSchema = z.object({ ownerDatabaseUrl: z.string() });

/** What the commands go by: whose database it is. */
export interface CommandsConfig {
  ownerDatabaseUrl: string;
  /** Of the control plane whose settings these are, as with compose; null where they are nobody's. */
  keyPepperVersion: string | null;
}

/** Injection token of the commands' configuration. */
export const COMMANDS_CONFIG = Symbol('commands config');

/** No installation to work on; the message says what to do. */
export class InstallationNotFound extends Error {
  override readonly name = 'InstallationNotFound';
}

/** What a control plane with these settings takes for its pepper's number: an empty one is its default. */
export function readKeyPepperVersion(): string | null {
  const { KEY_PEPPER_VERSION } = process.env;
  return KEY_PEPPER_VERSION === '' ? KEY_PEPPER_VERSION_DEFAULT : (KEY_PEPPER_VERSION ?? null);
}

/** OWNER_DATABASE_URL, or what a running `npm start` wrote. Throws InstallationNotFound. */
export function readCommandsConfig(): Pick<CommandsConfig, 'ownerDatabaseUrl'> {
  const { OWNER_DATABASE_URL, TENSORLOOP_DATA_DIR } = process.env;
  if (OWNER_DATABASE_URL) return { ownerDatabaseUrl: OWNER_DATABASE_URL };
  const file = join(TENSORLOOP_DATA_DIR || DATA_FOLDER_DEFAULT, 'stack.json');
  const advice = 'Run "npm start" first, or set OWNER_DATABASE_URL to a PostgreSQL URL of role tl_owner.';
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new InstallationNotFound(`No running installation was found: ${file} does not exist. ${advice}`);
  }
  try {
    return stackFileSchema.parse(JSON.parse(text));
  } catch {
    throw new InstallationNotFound(`${file} is not what "npm start" writes. ${advice}`);
  }
}
