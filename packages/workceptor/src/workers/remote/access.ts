import type { Duplex } from 'node:stream';

/** What remote work needs of the node it is submitted at. */
export interface RemoteAccess {
  /**
   * Opens a stream to the control service of another node.
   * @param tlsClient names the TLS settings to use; empty for none
   * @throws Error why it could not be opened, in the words of the mesh
   */
  dial(node: string, tlsClient: string, signal: AbortSignal): Promise<Duplex>;
  /** @throws ReceptorError when there are no TLS settings of that name */
  checkTlsClient(name: string): void;
  /**
   * Makes a token that proves to a node who sent it a command.
   * @throws ReceptorError `RECEPTOR_SIGNATURE` when this node has no key to sign with
   */
  sign(node: string): Promise<string>;
  /**
   * Calls back whenever a node has come into reach, so that what failed or fell silent is worth another try.
   * @returns what ends that
   */
  onAppeared(node: string, listener: () => void): () => void;
}
