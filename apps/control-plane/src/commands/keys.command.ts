import { Inject } from '@nestjs/common';
import { Command, CommandRunner, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { reportDelivery } from './delivery.js';
import { type CommanderCommand, withExamples } from './examples.js';

@SubCommand({
  name: 'reproject',
  arguments: '[account]',
  description: 'tell gateways of the keys again, of one account or of all',
})
export class KeysReprojectCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([account]: string[]): Promise<void> {
    const accountId = account === undefined ? null : await this.admin.findAccountId(account);
    const keys = await this.admin.reproject(accountId);
    await reportDelivery(this.admin, accountId, `${keys} keys are told to gateways again.`);
  }
}

@Command({ name: 'keys', description: 'keys as gateways know them', subCommands: [KeysReprojectCommand] })
export class KeysCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['keys reproject', 'keys reproject ada@example.com']);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
