import { Inject } from '@nestjs/common';
import { Command, CommandRunner, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { reportDelivery } from './delivery.js';
import { type CommanderCommand, withExamples } from './examples.js';

@SubCommand({
  name: 'set',
  arguments: '<account> <plan>',
  description: 'move an account to any plan, also one that is not offered',
})
export class PlanSetCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([account = '', plan = '']: string[]): Promise<void> {
    const accountId = await this.admin.findAccountId(account);
    await this.admin.setPlan(accountId, plan);
    await reportDelivery(this.admin, accountId, `Account ${accountId} is on plan ${plan}.`);
  }
}

@Command({ name: 'plan', description: 'plans of accounts', subCommands: [PlanSetCommand] })
export class PlanCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['plan set ada@example.com enterprise', 'plan set 0193e4a1-0000-7000-8000-000000000001 internal']);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
