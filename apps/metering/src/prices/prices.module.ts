import { Module } from '@nestjs/common';
import { PricesPublisher } from './prices.publisher.js';
import { PricesRepository } from './prices.repository.js';
import { PricesService } from './prices.service.js';

@Module({ providers: [PricesService, PricesRepository, PricesPublisher], exports: [PricesService] })
export class PricesModule {}
