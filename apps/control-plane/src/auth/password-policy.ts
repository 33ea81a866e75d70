import { Injectable } from '@nestjs/common';
import { authProblems } from './auth.errors.js';
import { loadCommonPasswords } from './common-passwords.js';
import { refusePassword } from './password.rules.js';

/** Refuses passwords that would be guessed. */
@Injectable()
export class PasswordPolicy {
  private readonly common = loadCommonPasswords();

  /** Throws the problem; `pointer` names the field of the body. */
  require(password: string, email: string, pointer = '/password'): void {
    const refusal = refusePassword(password, email, this.common);
    if (refusal === null) return;
    const problem = authProblems[refusal];
    throw problem({ errors: [{ pointer, message: problem.definition.text }] });
  }
}
