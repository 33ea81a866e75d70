import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { type CommanderCommand, withExamples } from './examples.js';

abstract class UserDisablingCommand extends CommandRunner {
  protected abstract readonly isDisabled: boolean;

  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([email = '']: string[], { reason }: { reason: string }): Promise<void> {
    await this.admin.setUserDisabled(email, { isDisabled: this.isDisabled, reason });
    console.log(this.isDisabled ? `${email} is signed out everywhere and cannot sign in.` : `${email} can sign in again.`);
  }

  @Option({ flags: '--reason <text>', description: "why; it is in the audit log of the user's accounts", required: true })
  parseReason(reason: string): string {
    return reason;
  }
}

@SubCommand({ name: 'disable', arguments: '<email>', description: 'end every session and close every way to sign in' })
export class UserDisableCommand extends UserDisablingCommand {
  protected readonly isDisabled = true;
}

@SubCommand({ name: 'enable', arguments: '<email>', description: 'take that back' })
export class UserEnableCommand extends UserDisablingCommand {
  protected readonly isDisabled = false;
}

@Command({
  name: 'user',
  description: 'close and open the way in for one person; the keys of accounts work on',
  subCommands: [UserDisableCommand, UserEnableCommand],
})
export class UserCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, [
      'user disable ada@example.com --reason "left the company"',
      'user enable ada@example.com --reason back',
    ]);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
