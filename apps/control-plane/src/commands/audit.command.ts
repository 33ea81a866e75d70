import { readFile } from 'node:fs/promises';
import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option, SubCommand } from 'nest-commander';
import { AuditFileService } from '../audit/audit-file.service.js';
import { AdminRepository } from './admin.repository.js';
import { type CommanderCommand, withExamples } from './examples.js';
import { CommandFailed } from './outcome.js';

@SubCommand({ name: 'verify', arguments: '[account]', description: 'verify the audit log of one account or of all' })
export class AuditVerifyCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  async run([account]: string[]): Promise<void> {
    const accountId = account === undefined ? null : await this.admin.findAccountId(account);
    const logs = await this.admin.verifyAuditLogs(accountId);
    for (const { accountId: id, entries, head, problems } of logs) {
      console.log(
        `${id}  ${String(entries).padStart(8)} entries  head ${head.sequence}:${head.hash}  ${problems.length === 0 ? 'ok' : 'BROKEN'}`,
      );
      for (const problem of problems) console.log(`    ${problem}`);
    }
    const broken = logs.filter(({ problems }) => problems.length > 0).length;
    if (broken > 0) throw new CommandFailed(`${broken} of ${logs.length} audit logs are not as they were written.`);
    console.log(`${logs.length} audit logs are as they were written.`);
  }
}

@SubCommand({
  name: 'verify-file',
  arguments: '<file>',
  description: 'verify an export, NDJSON or CSV, without an installation',
})
export class AuditVerifyFileCommand extends CommandRunner {
  constructor(@Inject(AuditFileService) private readonly files: AuditFileService) {
    super();
  }

  async run([file = '']: string[], { head }: { head?: string }): Promise<void> {
    const text = await readFile(file, 'utf8').catch((error: Error) => {
      throw new CommandFailed(`${file} cannot be read: ${error.message}`);
    });
    const { entries, last, problems, problemCount } = this.files.verify(text, head ?? null);
    console.log(`${entries} entries, the last ${last.sequence}:${last.hash}`);
    for (const problem of problems) console.log(`    ${problem.detail}`);
    if (problemCount > 0) throw new CommandFailed(`${problemCount} problems: this is not the log as it was written.`);
    const caveat = head === undefined ? ' Whether entries are missing at its end only --head can tell.' : '';
    console.log(`The log is as it was written.${caveat}`);
  }

  @Option({ flags: '--head <sequence:hash>', description: 'the last entry that the log must have, as noted elsewhere' })
  parseHead(head: string): string {
    return head;
  }
}

@Command({ name: 'audit', description: 'audit logs of accounts', subCommands: [AuditVerifyCommand, AuditVerifyFileCommand] })
export class AuditCommand extends CommandRunner {
  override setCommand(command: CommanderCommand): this {
    withExamples(command, [
      'audit verify',
      'audit verify ada@example.com',
      'audit verify-file audit-log.ndjson --head 42:9f86d081…',
    ]);
    return super.setCommand(command);
  }

  async run(): Promise<void> {
    this.command.help({ error: true });
  }
}
