import { Inject, Injectable } from '@nestjs/common';
import { PasswordHasher } from './password-hasher.js';
import { PasswordPolicy } from './password-policy.js';

/** What is done with passwords: which may be chosen, and which is the right one. */
@Injectable()
export class PasswordChecks {
  constructor(
    @Inject(PasswordHasher) private readonly hasher: PasswordHasher,
    @Inject(PasswordPolicy) private readonly policy: PasswordPolicy,
  ) {}

  /** Throws the problem of a password that would be guessed. */
  require(password: string, email: string, pointer?: string): void {
    this.policy.require(password, email, pointer);
  }

  hash(password: string): Promise<string> {
    return this.hasher.create(password);
  }

  matches(stored: string | null, password: string): Promise<boolean> {
    return this.hasher.matches(stored, password);
  }
}
