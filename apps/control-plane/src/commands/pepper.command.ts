import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { type CommanderCommand, withExamples } from './examples.js';
import { CommandFailed } from './outcome.js';
import { newPepper, rotationSteps } from './pepper.rules.js';
import { parseVersion } from './values.rules.js';

/** What KEY_PEPPER_VERSION begins at. */
const FIRST_VERSION = 1;

interface StatusOptions {
  expect?: number;
}

@SubCommand({ name: 'status', description: 'how many active keys each pepper knows, and which keys are behind' })
export class PepperStatusCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run(_: string[], { expect }: StatusOptions): Promise<void> {
    const { counts, behind } = await this.admin.listHashedKeys(expect ?? null);
    for (const { version, keys } of counts) console.log(`pepper ${version}: ${keys} active keys`);
    if (expect !== undefined && !counts.some(({ version }) => version >= expect))
      console.log(
        `No active key is known by pepper ${expect}: mint one, or call with one, to see that the control plane has it.`,
      );
    if (behind.length === 0) return console.log('No key is behind: the pepper before, if there is one, can go.');
    console.log('Behind; each needs one call before the pepper before goes (docs/runbooks/pepper-rotation.md):');
    for (const { accountId, id, name, preview, version } of behind)
      console.log(`  ${accountId}  ${id}  pepper ${version}  ${preview}  ${name}`);
    if (expect !== undefined) throw new CommandFailed(`${listed(behind)} not known by pepper ${expect} yet.`);
  }

  @Option({ flags: '--expect <version>', description: 'fails while an active key is known by an older pepper than this' })
  parseExpect(text: string): number {
    return parseVersion(text);
  }
}

@SubCommand({ name: 'rotate', description: 'make a new pepper and say where it goes; changes nothing by itself' })
export class PepperRotateCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  /**
   * The services read their pepper from their settings, which are not the command's to write, and keys can only be hashed again
   * by whoever calls with them. What is left for a command to prevent is a third pepper, under which keys that still wait for
   * the second would be lost.
   */
  async run(): Promise<void> {
    const { counts, behind } = await this.admin.listHashedKeys();
    if (behind.length > 0) {
      const advice = 'End that rotation first: see "pepper status", and revoke the keys that nobody calls with any more.';
      throw new CommandFailed(`${listed(behind)} known by an older pepper still, and would be lost with another. ${advice}`);
    }
    const version = Math.max(FIRST_VERSION, ...counts.map((count) => count.version)) + 1;
    for (const line of rotationSteps({ pepper: newPepper(), version })) console.log(line);
  }
}

function listed({ length }: { length: number }): string {
  return `${length} active ${length === 1 ? 'key is' : 'keys are'}`;
}

@Command({
  name: 'pepper',
  description: 'rotating the pepper: what to change, and how far it has come (docs/runbooks/pepper-rotation.md)',
  subCommands: [PepperRotateCommand, PepperStatusCommand],
})
export class PepperCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['pepper rotate', 'pepper status', 'pepper status --expect 2']);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
