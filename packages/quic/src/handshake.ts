import type { Clock } from './clock.js';
import { QuicConnection } from './connection.js';
import type { Driver } from './driver.js';
import { aborted, QuicError } from './errors.js';

/**
 * Waits until a connection's handshake is complete on this side.
 * @param timeout milliseconds after which it is given up
 * @throws QuicError what ended the attempt
 */
export function completeHandshake(
  driver: Driver,
  clock: Clock,
  timeout: number,
  signal?: AbortSignal,
): Promise<QuicConnection> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      const text = 'timeout: handshake did not complete in time';
      driver.close(new QuicError('QUIC_HANDSHAKE_TIMEOUT', text), 0, '');
    }, timeout);
    const onAbort = () => {
      if (signal) driver.close(aborted(signal), 0, '');
    };
    const done = () => {
      clock.clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    driver.events = {
      connected: () => {
        done();
        resolve(new QuicConnection(driver));
      },
      opened: () => {},
      available: () => {},
      lost: (error) => {
        done();
        reject(error);
      },
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
