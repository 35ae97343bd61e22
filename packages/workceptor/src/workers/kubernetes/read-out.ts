import type { Socket } from 'node:net';

/** How long the rest of a connection that cannot be written to any more is waited for. */
const REST_MS = 1_000;

/**
 * Lets what a peer said before it reset the connection arrive: Node.js destroys a socket at the first write that fails,
 * and with it what the system has received and nobody has read yet. The API server resets attach when a container ends
 * that has not taken its payload, directly behind the Status that says how it ended.
 */
export function readOutAfterFailedWrite(socket: Socket): void {
  const destroy = socket.destroy.bind(socket);
  let reading = false;
  socket.destroy = (error?: Error): Socket => {
    if (reading || (error as NodeJS.ErrnoException | undefined)?.syscall !== 'write') return destroy(error);
    reading = true;
    const end = () => {
      clearTimeout(timer);
      destroy(error);
    };
    const timer = setTimeout(end, REST_MS);
    socket.once('close', () => clearTimeout(timer));
    // A stream with an error takes no more into its buffer, and gives no more `data` of itself.
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) socket.emit('data', chunk);
    socket.push = (chunk: unknown): boolean => {
      if (chunk === null) setImmediate(end);
      else socket.emit('data', chunk);
      return true;
    };
    return socket;
  };
}
