/** What the mesh needs of a logger; the program that embeds it brings its own. */
export interface Logger {
  error(message: string): void;
  warning(message: string): void;
  info(message: string): void;
  debug(message: string): void;
}

/** A logger that says nothing. */
export const silentLogger: Logger = { error() {}, warning() {}, info() {}, debug() {} };
