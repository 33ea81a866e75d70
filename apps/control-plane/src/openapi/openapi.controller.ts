import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import { Access, RawResponse } from '@tensorloop/nest-kit/access';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { generalProblems } from '@tensorloop/nest-kit/problem';
import type { Response } from 'express';
import { z } from 'zod';
import { OpenApiService } from './openapi.service.js';
import { ProblemPagesService } from './problem-pages.service.js';
import { findAsset, PAGE_POLICY, READER_PAGE, START_SCRIPT, textPage } from './reader.js';

const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
/** The reader is as large as all else together, and changes with releases only. */
const ASSET_CACHING = 'public, max-age=3600';

const codeSchema = z.string().regex(/^[a-z_]{1,64}$/, 'expected a code such as key_not_found');
const assetSchema = z.string().max(64);

@Controller('api')
@Access('public')
export class OpenApiController {
  constructor(
    @Inject(OpenApiService) private readonly openApi: OpenApiService,
    @Inject(ProblemPagesService) private readonly pages: ProblemPagesService,
  ) {}

  @Get('openapi.json')
  @Summary('This description, as OpenAPI 3.1')
  @RawResponse('a document of its own standard', 'application/json')
  document(): object {
    return this.openApi.get();
  }

  @Get('docs')
  @Summary('This description, to be read and tried out')
  @RawResponse('a page', 'text/html')
  reader(@Res({ passthrough: true }) res: Response): string {
    return asPage(res, READER_PAGE);
  }

  @Get('docs/assets/:name')
  @Summary('A file that the reader is made of')
  @Problems(generalProblems.not_found)
  @RawResponse('a file', 'application/octet-stream')
  asset(@Param('name', { schema: assetSchema }) name: string, @Res() res: Response): void {
    res.setHeader('cache-control', ASSET_CACHING);
    if (name === 'start.js') return void res.type(SCRIPT).send(START_SCRIPT);
    const asset = findAsset(name);
    if (asset === null) throw generalProblems.not_found();
    res.type(asset.type).sendFile(name, { root: asset.root, cacheControl: false, lastModified: false });
  }

  @Get('docs/errors')
  @Summary('Every code that a refusal can carry')
  @RawResponse('a page', 'text/html')
  problems(@Res({ passthrough: true }) res: Response): string {
    return asPage(res, textPage('Problems', this.pages.list()));
  }

  @Get('docs/errors/:code')
  @Summary('What a code means, and what to do')
  @Problems(generalProblems.not_found)
  @RawResponse('a page', 'text/html')
  async problem(
    @Param('code', { schema: codeSchema }) code: string,
    @Res({ passthrough: true }) res: Response,
  ): Promise<string> {
    const html = await this.pages.find(code);
    if (html === null) throw generalProblems.not_found();
    return asPage(res, textPage(code, html));
  }
}

function asPage(res: Response, html: string): string {
  res.type(HTML).setHeader('content-security-policy', PAGE_POLICY);
  return html;
}
