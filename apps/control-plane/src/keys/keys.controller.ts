import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import {
  type KeyDetail,
  type KeyListQuery,
  type KeyMint,
  type KeyMinted,
  type KeyMintOptions,
  type KeyPage,
  type KeyPatch,
  keyDetailSchema,
  keyListQuerySchema,
  keyMintedSchema,
  keyMintOptionsSchema,
  keyMintSchema,
  keyPageSchema,
  keyPatchSchema,
} from '@tensorloop/contracts/api/keys';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Idempotent } from '@tensorloop/nest-kit/idempotent';
import { IfMatch } from '@tensorloop/nest-kit/if-match';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { exhaustedHeaders } from '@tensorloop/nest-kit/rate-limit';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { type KeyParams, keyParamsSchema } from './keys.dto.js';
import { keyProblems } from './keys.errors.js';
import { KeysService } from './keys.service.js';
import type { KeyRefusal } from './keys.types.js';
import { MintingService } from './minting.service.js';

const RETRY_HEADERS = { 'retry-after': '2' };
const PLACING_PROBLEMS = [
  keyProblems.budget_zero,
  keyProblems.budget_above_plan,
  keyProblems.rpm_above_plan,
  keyProblems.unknown_project,
  keyProblems.project_archived,
  keyProblems.owner_not_member,
  keyProblems.key_not_active_yet,
];
const MINT_PROBLEMS = [
  ...PLACING_PROBLEMS,
  keyProblems.unknown_model,
  keyProblems.model_not_in_plan,
  keyProblems.plan_key_limit_reached,
  keyProblems.too_many_mints,
  keyProblems.account_not_active,
];
const CHANGE_PROBLEMS = [...PLACING_PROBLEMS, keyProblems.key_not_found, keyProblems.key_not_active, keyProblems.fixed_at_mint];

@Controller('api/keys')
@Access('account')
export class KeysController {
  constructor(
    @Inject(KeysService) private readonly keys: KeysService,
    @Inject(MintingService) private readonly minting: MintingService,
  ) {}

  @Get('mint-options')
  @Summary('Show what a key may be minted with')
  @Permit('keys:read')
  @ResponseSchema(keyMintOptionsSchema)
  getMintOptions(@CurrentPrincipal() { accountId }: Principal): Promise<KeyMintOptions> {
    return this.keys.getMintOptions(accountId);
  }

  @Post()
  @Summary('Mint a key')
  @Idempotent()
  @Problems(...MINT_PROBLEMS)
  @Permit('keys:write')
  @ResponseSchema(keyMintedSchema)
  async create(
    @CurrentPrincipal() { accountId, userId }: Principal,
    @Body({ schema: keyMintSchema }) key: KeyMint,
  ): Promise<KeyMinted> {
    const result = await this.minting.mint({ accountId, userId, key });
    if (result.outcome === 'minted') return result.key;
    if (result.outcome === 'refused') throw toProblem(result.refusal);
    const detail = 'The key could not be made known to the gateways and was revoked; mint it again shortly.';
    throw keyProblems.key_not_active_yet({ detail, headers: RETRY_HEADERS });
  }

  @Get()
  @Summary('List keys')
  @Permit('keys:read')
  @ResponseSchema(keyPageSchema)
  list(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: keyListQuerySchema }) query: KeyListQuery,
  ): Promise<KeyPage> {
    return this.keys.list(accountId, query);
  }

  @Get(':id')
  @Summary('Show a key')
  @Problems(keyProblems.key_not_found)
  @Permit('keys:read')
  @ResponseSchema(keyDetailSchema)
  async get(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: keyParamsSchema }) { id }: KeyParams,
  ): Promise<KeyDetail> {
    const key = await this.keys.find(accountId, id);
    if (key === null) throw keyProblems.key_not_found();
    return key;
  }

  @Patch(':id')
  @Summary('Change a key: name, budget, requests per minute, tags, owner, project')
  @Problems(...CHANGE_PROBLEMS)
  @Permit('keys:write')
  @ResponseSchema(keyDetailSchema)
  async change(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: keyParamsSchema }) { id }: KeyParams,
    @Body({ schema: keyPatchSchema }) change: KeyPatch,
    @IfMatch() seenVersion: number | null,
  ): Promise<KeyDetail> {
    const result = await this.keys.change(accountId, id, { ...change, seenVersion });
    if (result.outcome === 'changed') return result.key;
    if (result.outcome === 'refused') throw toProblem(result.refusal);
    if (result.outcome === 'not_found') throw keyProblems.key_not_found();
    throw keyProblems.key_not_active_yet({ headers: RETRY_HEADERS });
  }

  @Delete(':id')
  @Summary('Revoke a key')
  @Problems(keyProblems.key_not_found, keyProblems.key_not_active_yet)
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

function toProblem({ code, detail, pointer, exhausted }: KeyRefusal): Error {
  return keyProblems[code]({
    detail,
    ...(pointer === undefined ? {} : { errors: [{ pointer, message: detail }] }),
    ...(exhausted === undefined ? {} : { headers: exhaustedHeaders(exhausted.policy, exhausted.waitMs) }),
  });
}
