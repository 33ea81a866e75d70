import { Inject } from '@nestjs/common';
import { Command, CommandRunner, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { type CommanderCommand, withExamples } from './examples.js';

@SubCommand({ name: 'status', description: 'how many active keys each pepper knows, and which keys are behind' })
export class PepperStatusCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run(): Promise<void> {
    const { counts, behind } = await this.admin.listHashedKeys();
    for (const { version, keys } of counts) console.log(`pepper ${version}: ${keys} active keys`);
    if (behind.length === 0) return console.log('No key is behind: the pepper before, if there is one, can go.');
    console.log('Behind; each needs one call before the pepper before goes (docs/runbooks/pepper-rotation.md):');
    for (const { accountId, id, name, preview, version } of behind)
      console.log(`  ${accountId}  ${id}  pepper ${version}  ${preview}  ${name}`);
  }
}

@Command({
  name: 'pepper',
  description: 'how far a rotation of the pepper has come; rotating is a change of settings (docs/runbooks/pepper-rotation.md)',
  subCommands: [PepperStatusCommand],
})
export class PepperCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['pepper status']);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
