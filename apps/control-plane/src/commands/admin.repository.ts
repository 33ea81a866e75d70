import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import * as installation from '@tensorloop/db/installation';
import * as operator from '@tensorloop/db/operator';
import { COMMANDS_CONFIG, type CommandsConfig } from './config.js';

/** How long a command waits for the running control plane to tell gateways of a change. */
const DELIVERY_WAIT_MS = 15_000;
const DELIVERY_POLL_MS = 100;

/** The installation, with the owner's credentials. Accounts are named by id or by a member's address. */
@Injectable()
export class AdminRepository {
  constructor(@Inject(COMMANDS_CONFIG) private readonly config: CommandsConfig) {}

  private get url(): string {
    return this.config.ownerDatabaseUrl;
  }

  listAccounts(search: string) {
    return installation.listAccounts(this.url, search);
  }

  listErasures() {
    return installation.listErasures(this.url);
  }

  findAccountId(idOrEmail: string): Promise<string> {
    return installation.findAccountId(this.url, idOrEmail);
  }

  setDisabled(accountId: string, change: { isDisabled: boolean; reason: string }): Promise<number> {
    return operator.setAccountDisabled(this.url, accountId, change);
  }

  setPlan(accountId: string, planId: string): Promise<void> {
    return operator.setAccountPlan(this.url, accountId, planId);
  }

  setKind(accountId: string, kind: operator.AccountKind): Promise<void> {
    return operator.setAccountKind(this.url, accountId, kind);
  }

  setDailyLimit(accountId: string, usd: string | null): Promise<void> {
    return operator.setDailyLimit(this.url, accountId, usd);
  }

  setKeyLimits(accountId: string, limits: operator.KeyLimits): Promise<void> {
    return operator.setKeyLimits(this.url, accountId, limits);
  }

  grant(accountId: string, credit: operator.Credit): Promise<'granted' | 'known'> {
    return operator.grantCredit(this.url, accountId, credit);
  }

  reproject(accountId: string | null): Promise<number> {
    return accountId === null ? installation.reprojectAll(this.url) : operator.reprojectAccount(this.url, accountId);
  }

  createOperator(email: string, options: { allowsUnverified: boolean }): Promise<boolean> {
    return installation.createOperator(this.url, email, options);
  }

  removeOperator(email: string): Promise<boolean> {
    return installation.removeOperator(this.url, email);
  }

  setUserDisabled(email: string, change: { isDisabled: boolean; reason: string }): Promise<void> {
    return installation.setUserDisabled(this.url, email, change);
  }

  listOperators() {
    return installation.listOperators(this.url);
  }

  listHashedKeys(expected: number | null = null) {
    return installation.listHashedKeys(this.url, expected);
  }

  verifyAuditLogs(accountId: string | null) {
    return installation.verifyAuditLogs(this.url, accountId);
  }

  /** True once gateways know every change of the account's keys, or of all keys; false when the relay did not get there in time. */
  async isDelivered(accountId: string | null): Promise<boolean> {
    const deadlineMs = performance.now() + DELIVERY_WAIT_MS;
    while ((await installation.countUndelivered(this.url, accountId)) > 0) {
      if (performance.now() > deadlineMs) return false;
      await sleep(DELIVERY_POLL_MS);
    }
    return true;
  }
}
