/** Something that accepts connections. */
export interface Listener {
  /** Where it listens: `127.0.0.1:2222`, `[::]:2222`, or the path of a socket. */
  readonly address: string;
  /**
   * Accepts no more, and takes away what it made in the file system. Resolves when the connections it accepted are
   * closed too; closing them is for whoever serves them.
   */
  close(): Promise<void>;
}
