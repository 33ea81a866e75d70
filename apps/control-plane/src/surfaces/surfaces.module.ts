import { Module } from '@nestjs/common';
import { SurfacesController } from './surfaces.controller.js';

@Module({ controllers: [SurfacesController] })
export class SurfacesModule {}
