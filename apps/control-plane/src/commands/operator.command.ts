import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { type CommanderCommand, withExamples } from './examples.js';

@SubCommand({ name: 'create', arguments: '<email>', description: 'let a user who has signed up use /api/operator' })
export class OperatorCreateCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([email = '']: string[], { unverified = false }: { unverified?: boolean } = {}): Promise<void> {
    const isNew = await this.admin.createOperator(email, { allowsUnverified: unverified });
    console.log(isNew ? `${email} is an operator now.` : `${email} is an operator already.`);
  }

  @Option({ flags: '--unverified', description: 'though nobody has confirmed the address: you know who signed up with it' })
  parseUnverified(): boolean {
    return true;
  }
}

@SubCommand({ name: 'remove', arguments: '<email>', description: 'take that back; it binds with the next request' })
export class OperatorRemoveCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([email = '']: string[]): Promise<void> {
    const wasOne = await this.admin.removeOperator(email);
    console.log(wasOne ? `${email} is no operator any more.` : `${email} was no operator.`);
  }
}

@SubCommand({ name: 'list', description: 'who they are' })
export class OperatorListCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run(): Promise<void> {
    const operators = await this.admin.listOperators();
    if (operators.length === 0) console.log('There are no operators; "npm run admin -- operator create <email>" makes one.');
    for (const { email, since } of operators) console.log(`${email}  since ${since.toISOString()}`);
  }
}

@Command({
  name: 'operator',
  description: 'who runs the installation',
  subCommands: [OperatorCreateCommand, OperatorRemoveCommand, OperatorListCommand],
})
export class OperatorCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['operator create ada@example.com', 'operator remove ada@example.com', 'operator list']);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
