import { Route, type RouteParts } from './route.js';
import type { Routing } from './routing.types.js';

/**
 * Takes an admitted call to a deployment and, while no answer has begun, on to others: bounded in attempts and time, past
 * open circuits, and within each deployment's places. The call's answer learns of one deployment only, the last.
 */
export class Dispatcher {
  constructor(private readonly parts: RouteParts) {}

  dispatch(routing: Routing): void {
    new Route(this.parts, routing).begin();
  }
}
