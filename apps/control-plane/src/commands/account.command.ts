import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option, SubCommand } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { reportDelivery } from './delivery.js';
import { type CommanderCommand, withExamples } from './examples.js';
import { CommandFailed } from './outcome.js';

@SubCommand({
  name: 'list',
  arguments: '[search]',
  description: 'accounts, newest first; of which name, id or address has the text',
})
export class AccountListCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([search = '']: string[]): Promise<void> {
    const accounts = await this.admin.listAccounts(search);
    if (accounts.length === 0) console.log('There is no such account.');
    for (const { id, planId, status, keysActive, name, members } of accounts)
      console.log(
        `${id}  ${planId.padEnd(12)}${status.padEnd(10)}${String(keysActive).padStart(5)} keys  ${name}  (${members.join(', ')})`,
      );
  }
}

@SubCommand({
  name: 'erasures',
  description: 'deletions that wait, are under way or fail, the oldest first; fails if one does',
})
export class AccountErasuresCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run(): Promise<void> {
    const erasures = await this.admin.listErasures();
    if (erasures.length === 0) console.log('No deletion of an account is waiting.');
    for (const { accountId, state, deleteAfter, pieces, failures, lastError, nextTryAt } of erasures) {
      const next = nextTryAt === null ? 'with the next round' : nextTryAt.toISOString();
      console.log(
        `${accountId}  ${state.padEnd(10)}due ${deleteAfter.toISOString()}  ${String(pieces).padStart(5)} pieces  next: ${next}`,
      );
      if (lastError !== null) console.log(`    failed ${failures} times in a row: ${lastError}`);
    }
    const failing = erasures.filter(({ state }) => state === 'failing').length;
    if (failing > 0)
      throw new CommandFailed(`${failing} of ${erasures.length} deletions could not be carried out the last time.`);
  }
}

abstract class DisablingCommand extends CommandRunner {
  protected abstract readonly isDisabled: boolean;

  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([account = '']: string[], { reason }: { reason: string }): Promise<void> {
    const accountId = await this.admin.findAccountId(account);
    const keys = await this.admin.setDisabled(accountId, { isDisabled: this.isDisabled, reason });
    const done = this.isDisabled ? 'is disabled' : 'is enabled';
    await reportDelivery(this.admin, accountId, `Account ${accountId} ${done}; ${keys} keys.`);
  }

  @Option({ flags: '--reason <text>', description: 'why; the account reads it in its audit log', required: true })
  parseReason(reason: string): string {
    return reason;
  }
}

@SubCommand({ name: 'disable', arguments: '<account>', description: 'none of its keys works any more' })
export class AccountDisableCommand extends DisablingCommand {
  protected readonly isDisabled = true;
}

@SubCommand({ name: 'enable', arguments: '<account>', description: 'take that back' })
export class AccountEnableCommand extends DisablingCommand {
  protected readonly isDisabled = false;
}

@Command({
  name: 'account',
  description: 'find, disable and enable accounts; <account> is an id or the address of a member',
  subCommands: [AccountListCommand, AccountErasuresCommand, AccountDisableCommand, AccountEnableCommand],
})
export class AccountCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, [
      'account list example.com',
      'account erasures',
      'account disable ada@example.com --reason "unpaid since June"',
      'account enable ada@example.com --reason paid',
    ]);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
