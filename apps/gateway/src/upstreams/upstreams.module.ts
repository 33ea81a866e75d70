import { Module } from '@nestjs/common';
import { readEnvironmentSecret } from '../config.js';
import { anthropic } from './anthropic/anthropic.service.js';
import { azureOpenAi } from './azure-openai/azure-openai.service.js';
import { Credentials } from './credentials.service.js';
import { HttpTransport } from './http-transport.service.js';
import { openAi } from './openai/openai.service.js';
import { type Providers, ProviderUpstream } from './provider-upstream.service.js';

const PROVIDERS: Providers = { openai: openAi, 'azure-openai': azureOpenAi, anthropic };

@Module({
  providers: [
    { provide: Credentials, useFactory: () => new Credentials(readEnvironmentSecret) },
    {
      provide: ProviderUpstream,
      inject: [Credentials],
      useFactory: (credentials: Credentials) => new ProviderUpstream(PROVIDERS, credentials, new HttpTransport()),
    },
  ],
  exports: [Credentials, ProviderUpstream],
})
export class UpstreamsModule {}
