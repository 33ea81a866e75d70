/** Every process of the installation that can be harmed. The simulated provider is the witness and is left alone. */
export const GATEWAYS = ['gateway-1', 'gateway-2'] as const;
export const METERINGS = ['metering-1', 'metering-2'] as const;
export const SERVICES = [...METERINGS, 'control-plane', ...GATEWAYS] as const;
export const SERVERS = ['postgres', 'nats', 'redis'] as const;

export type GatewayName = (typeof GATEWAYS)[number];
export type ServiceName = (typeof SERVICES)[number];
export type ServerName = (typeof SERVERS)[number];
export type PartName = ServiceName | ServerName;

/** Who talks to whom, as `from>to`. */
export const LINKS = [
  ...GATEWAYS.flatMap((gateway) => [`${gateway}>nats`, `${gateway}>redis`, `${gateway}>upstream`] as const),
  ...METERINGS.flatMap((metering) => [`${metering}>nats`, `${metering}>redis`, `${metering}>postgres`] as const),
  'control-plane>nats',
  'control-plane>redis',
  'control-plane>postgres',
] as const;
export type LinkName = (typeof LINKS)[number];

export function isGateway(name: string): name is GatewayName {
  return (GATEWAYS as readonly string[]).includes(name);
}
