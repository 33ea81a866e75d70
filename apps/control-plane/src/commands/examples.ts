import type { CommandRunner } from 'nest-commander';

/** Commander's own class, by the one name that nest-commander has for it. */
export type CommanderCommand = Parameters<CommandRunner['setCommand']>[0];

/** Shows examples below a command's help. */
export function withExamples(command: CommanderCommand, examples: readonly string[]): void {
  const lines = examples.map((example) => `  npm run admin -- ${example}`);
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
