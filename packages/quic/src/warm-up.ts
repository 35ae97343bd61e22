import { engine } from './engine.js';

/**
 * Compiles and instantiates the engine, so that the first handshake does not have to. Takes some milliseconds the first time.
 */
export function warmUp(): void {
  engine();
}
