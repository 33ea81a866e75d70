import { Inject, Injectable } from '@nestjs/common';
import type { AccessLevel } from '@tensorloop/nest-kit/access';
import type { Principal } from '../access/principal.types.js';
import { tokenProblems } from './tokens.errors.js';
import { TOKEN_DENIALS } from './tokens.rules.js';
import { TokensService } from './tokens.service.js';
import { readManagementBearer } from './tokens.types.js';

/** What the guard of routes needs to know of management tokens. */
@Injectable()
export class TokenAccessService {
  constructor(@Inject(TokensService) private readonly tokens: TokensService) {}

  /**
   * Who a request with this Authorization header acts as; null when it carries no management token. A request that carries one
   * is judged by it alone, whatever cookie comes with it. Throws the problem that says why the token opens nothing here.
   */
  async findPrincipal(authorization: string | undefined, level: AccessLevel): Promise<Principal | null> {
    const text = readManagementBearer(authorization);
    if (text === null) return null;
    const result = await this.tokens.authenticate(text);
    if (!result.ok) throw tokenProblems.token_invalid({ detail: TOKEN_DENIALS[result.denial] });
    if (level !== 'account') throw tokenProblems.session_required();
    return result.principal;
  }
}
