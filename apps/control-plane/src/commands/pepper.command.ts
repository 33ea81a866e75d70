import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { COMMANDS_CONFIG, type CommandsConfig } from './config.js';
import { type CommanderCommand, withExamples } from './examples.js';
import { CommandFailed } from './outcome.js';
import { counted, newPepper, refuseRotation, rotationSteps } from './pepper.rules.js';
import { parseVersion } from './values.rules.js';

interface StatusOptions {
  expect?: number;
}

interface RotateOptions {
  current?: number;
}

@SubCommand({ name: 'status', description: 'how many active keys each pepper knows, and which keys are behind' })
export class PepperStatusCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run(_: string[], { expect }: StatusOptions): Promise<void> {
    const { counts, behind, behindCount } = await this.admin.listHashedKeys(expect ?? null);
    for (const { version, keys } of counts) console.log(`pepper ${version}: ${keys} active keys`);
    if (expect !== undefined && !counts.some(({ version }) => version >= expect))
      console.log(
        `No active key is known by pepper ${expect}: mint one, or call with one, to see that the control plane has it.`,
      );
    if (behindCount === 0) return console.log('No key is behind: the pepper before, if there is one, can go.');
    console.log('Behind; each needs one call before the pepper before goes (docs/runbooks/pepper-rotation.md):');
    for (const { accountId, id, name, preview, version } of behind)
      console.log(`  ${accountId}  ${id}  pepper ${version}  ${preview}  ${name}`);
    if (behind.length < behindCount) console.log(`  … and ${behindCount - behind.length} more`);
    if (expect !== undefined) throw new CommandFailed(`${counted(behindCount)} not known by pepper ${expect} yet.`);
  }

  @Option({ flags: '--expect <version>', description: 'fails while an active key is known by an older pepper than this' })
  parseExpect(text: string): number {
    return parseVersion(text);
  }
}

@SubCommand({ name: 'rotate', description: 'make a new pepper and say where it goes; changes nothing by itself' })
export class PepperRotateCommand extends CommandRunner {
  constructor(
    @Inject(AdminRepository) private readonly admin: AdminRepository,
    @Inject(COMMANDS_CONFIG) private readonly config: CommandsConfig,
  ) {
    super();
  }

  /**
   * The services read their pepper from their settings, which are not the command's to write, and keys can only be hashed again
   * by whoever calls with them. What is left for a command to prevent is a third pepper, under which keys that still wait for
   * the second would be lost. Keys cannot say that the second is in force, as long as nobody called with one: so the number of
   * the control plane's pepper is asked for.
   */
  async run(_: string[], { current }: RotateOptions): Promise<void> {
    const set = this.config.keyPepperVersion;
    const version = current ?? (set === null ? null : parseVersion(set));
    if (version === null) {
      const advice = 'Say it by --current, or set KEY_PEPPER_VERSION as it is set there (1 where it is not).';
      throw new CommandFailed(`The KEY_PEPPER_VERSION of the control plane is not known here. ${advice}`);
    }
    const { counts } = await this.admin.listHashedKeys(version);
    const refusal = refuseRotation(counts, version);
    if (refusal !== null) throw new CommandFailed(refusal);
    for (const line of rotationSteps({ pepper: newPepper(), version: version + 1 })) console.log(line);
  }

  @Option({ flags: '--current <version>', description: 'the KEY_PEPPER_VERSION of the control plane as it is now' })
  parseCurrent(text: string): number {
    return parseVersion(text);
  }
}

@Command({
  name: 'pepper',
  description: 'rotating the pepper: what to change, and how far it has come (docs/runbooks/pepper-rotation.md)',
  subCommands: [PepperRotateCommand, PepperStatusCommand],
})
export class PepperCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['pepper rotate --current 1', 'pepper status', 'pepper status --expect 2']);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
