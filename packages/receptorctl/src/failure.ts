/** Ends a command with an exit code of its own; an empty message says nothing more. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;

  constructor(exitCode: number, message = '', options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
