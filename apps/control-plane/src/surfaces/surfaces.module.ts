import { Module } from '@nestjs/common';
import { IdleConnections } from './idle-connections.js';
import { SurfacesController } from './surfaces.controller.js';

@Module({ controllers: [SurfacesController], providers: [IdleConnections] })
export class SurfacesModule {}
