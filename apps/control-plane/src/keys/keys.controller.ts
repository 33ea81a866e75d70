import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Post, Query } from '@nestjs/common';
import {
  type KeyCreate,
  type KeyCreated,
  keyCreatedSchema,
  keyCreateSchema,
  keyListSchema,
} from '@tensorloop/contracts/dashboard-api';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { type KeyListQuery, type KeyParams, keyListQuerySchema, keyParamsSchema } from './keys.dto.js';
import { keyProblems } from './keys.errors.js';
import { KeysService } from './keys.service.js';
import type { MintRefusal } from './keys.types.js';

const RETRY_HEADERS = { 'retry-after': '2' };

@Controller('api/keys')
@Access('account')
export class KeysController {
  constructor(@Inject(KeysService) private readonly keys: KeysService) {}

  @Post()
  @Permit('keys:write')
  @ResponseSchema(keyCreatedSchema)
  async create(
    @CurrentPrincipal() { accountId, userId }: Principal,
    @Body({ schema: keyCreateSchema }) key: KeyCreate,
  ): Promise<KeyCreated> {
    const result = await this.keys.mint({ accountId, userId, key });
    if (result.outcome === 'minted') return result.key;
    if (result.outcome === 'refused') throw toProblem(result.refusal);
    const detail = 'The key could not be made known to the gateways and was revoked; mint it again shortly.';
    throw keyProblems.key_not_active_yet({ detail, headers: RETRY_HEADERS });
  }

  @Get()
  @Permit('keys:read')
  @ResponseSchema(keyListSchema)
  async list(@CurrentPrincipal() { accountId }: Principal, @Query({ schema: keyListQuerySchema }) query: KeyListQuery) {
    return { data: await this.keys.list(accountId, query.include === 'inactive') };
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Permit('keys:write')
  @RawResponse('no content')
  async revoke(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: keyParamsSchema }) { id }: KeyParams,
  ): Promise<void> {
    const result = await this.keys.revoke(accountId, id);
    if (result === 'not_found') throw keyProblems.key_not_found();
    if (result === 'not_active') throw keyProblems.key_not_active_yet({ headers: RETRY_HEADERS });
  }
}

function toProblem({ code, detail, pointer }: MintRefusal): Error {
  return keyProblems[code]({ detail, ...(pointer === undefined ? {} : { errors: [{ pointer, message: detail }] }) });
}
