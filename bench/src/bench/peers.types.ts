import type { PeerName } from './bench.types.js';

export interface PeerCommand {
  file: string;
  args: string[];
  env: Record<string, string>;
}

/** How a peer is had, started and called. All of them stand in front of the same simulator, with accounting off. */
export interface PeerRecipe {
  name: PeerName;
  /** As its makers write it. */
  product: string;
  version: string;
  /** Answers 200 once the peer serves. */
  probePath: string;
  /** Installs what is missing and returns the program; throws with the reason why it cannot be had. */
  install(): string;
  command(options: { installed: string; port: number; folder: string; upstreamUrl: string }): PeerCommand;
  target(upstreamUrl: string): { headers: Record<string, string>; keepsUnknownFields: boolean; model?: string };
}
