/** What the command was for did not come about; the message says what did. Exit code 1. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

export const EXIT_FAILED = 1;
/** There is no installation to work on. */
export const EXIT_UNAVAILABLE = 2;
