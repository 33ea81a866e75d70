import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option } from 'nest-commander';
import { AdminRepository } from './admin.repository.js';
import { reportDelivery } from './delivery.js';
import { type CommanderCommand, withExamples } from './examples.js';
import { NONE, parseCount, parseKind, parseUsdText } from './values.rules.js';

interface GrantOptions {
  note?: string;
  idempotencyKey?: string;
}

@Command({ name: 'grant', arguments: '<account> <usd>', description: 'grant credit to the balance of a prepaid account' })
export class GrantCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  override setCommand(command: CommanderCommand): this {
    withExamples(command, ['grant ada@example.com 25 --note "for the outage" --idempotency-key INC-17']);
    return super.setCommand(command);
  }

  async run([account = '', usd = '']: string[], { note = '', idempotencyKey }: GrantOptions): Promise<void> {
    const accountId = await this.admin.findAccountId(account);
    const credit = { usd: parseUsdText(usd), note, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
    const outcome = await this.admin.grant(accountId, credit);
    if (outcome === 'known') return console.log(`Granted before under this key; account ${accountId} got nothing more.`);
    console.log(`Account ${accountId} was granted ${usd} USD.`);
  }

  @Option({ flags: '--note <text>', description: 'why, for people' })
  parseNote(note: string): string {
    return note;
  }

  @Option({ flags: '--idempotency-key <key>', description: 'the same key again grants nothing more' })
  parseKey(key: string): string {
    return key;
  }
}

interface LimitOptions {
  kind?: 'metered' | 'prepaid';
  dailyUsd?: string;
  tpm?: number | 'none';
  parallel?: number | 'none';
}

@Command({ name: 'limits', arguments: '<account>', description: 'limits that no plan has; "none" takes one away' })
export class LimitsCommand extends CommandRunner {
  constructor(@Inject(AdminRepository) private readonly admin: AdminRepository) {
    super();
  }

  override setCommand(command: CommanderCommand): this {
    withExamples(command, [
      'limits ada@example.com --kind prepaid --daily-usd 10',
      'limits ada@example.com --tpm 50000 --parallel none',
    ]);
    return super.setCommand(command);
  }

  async run([account = '']: string[], { kind, dailyUsd, tpm, parallel }: LimitOptions): Promise<void> {
    if (kind === undefined && dailyUsd === undefined && tpm === undefined && parallel === undefined)
      this.command.help({ error: true });
    // The two are set together: leaving one out would take it away unasked.
    if ((tpm === undefined) !== (parallel === undefined)) this.command.error('error: give --tpm and --parallel together');
    const accountId = await this.admin.findAccountId(account);
    if (kind !== undefined) await this.admin.setKind(accountId, kind);
    if (dailyUsd !== undefined) await this.admin.setDailyLimit(accountId, toLimit(dailyUsd));
    if (tpm !== undefined && parallel !== undefined)
      await this.admin.setKeyLimits(accountId, { tpm: toLimit(tpm), parallelMax: toLimit(parallel) });
    await reportDelivery(this.admin, accountId, `The limits of account ${accountId} are set.`);
  }

  @Option({ flags: '--kind <kind>', description: 'metered (invoiced) or prepaid (needs a balance)' })
  parseKind(kind: string): 'metered' | 'prepaid' {
    return parseKind(kind);
  }

  @Option({ flags: '--daily-usd <usd>', description: 'what the account may spend per UTC day' })
  parseDailyUsd(usd: string): string {
    return usd === NONE ? NONE : parseUsdText(usd);
  }

  @Option({ flags: '--tpm <tokens>', description: 'tokens per minute of each of its keys' })
  parseTpm(tokens: string): number | 'none' {
    return parseCount(tokens);
  }

  @Option({ flags: '--parallel <calls>', description: 'calls in flight at once of each of its keys' })
  parseParallel(calls: string): number | 'none' {
    return parseCount(calls);
  }
}

/** Commander takes a parser's null for an empty text, so "none" stays a word until here. */
function toLimit<Value>(value: Value | 'none'): Value | null {
  return value === NONE ? null : (value as Value);
}
