import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import {
  type ErrorCode,
  expandParameters,
  interpretCommand,
  parseDuration,
  ReceptorClient,
  ReceptorError,
  splitCommandLine,
} from '@receptor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { CONTROL, type RunningDaemon, runDaemon, WORK } from '../control/running-daemon.js';
import { CASES } from './errors.js';

let node: RunningDaemon;
let client: ReceptorClient;
beforeAll(async () => {
  node = await runDaemon(CONTROL + WORK);
  client = new ReceptorClient(node.socket);
});
afterAll(async () => {
  client.close();
  await node.end();
});

/** Asks a server for its status that greets in its own way, and answers in its own way. */
async function statusOf(greeting: string, answer: (socket: Socket) => void): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
    socket.write(greeting);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const other = new ReceptorClient(`tcp://127.0.0.1:${(server.address() as { port: number }).port}`);
  try {
    await other.status();
  } finally {
    other.close();
    server.close();
  }
}

const GREETING = 'Receptor Control, node bar\n';

function interpret(line: string): void {
  const parts = splitCommandLine(line);
  if (parts) interpretCommand(parts);
}

/** Brings about the case of each code. */
const PROVOKED: Readonly<Record<ErrorCode, () => unknown>> = {
  RECEPTOR_ADDRESS_INVALID: () => new ReceptorClient('http://localhost'),
  RECEPTOR_BAD_COMMAND: () => interpret('ping'),
  RECEPTOR_UNKNOWN_COMMAND: () => interpret('nosuch'),
  RECEPTOR_CONNECT_FAILED: () => new ReceptorClient('/nonexistent.sock').status(),
  RECEPTOR_CONNECTION_LOST: () => statusOf(GREETING, (socket) => socket.destroy()),
  RECEPTOR_PROTOCOL: () => statusOf('220 mail.example.org ESMTP\n', () => {}),
  RECEPTOR_DURATION_INVALID: () => parseDuration('1d'),
  RECEPTOR_PARAMETER_INVALID: () => expandParameters({ secret_kube_pod: '@nosuch.yml' }),
  RECEPTOR_PAYLOAD: () => {
    const payload = new Readable({
      read() {
        this.destroy(new Error('the disk is gone'));
      },
    });
    return client.submitWork({ workType: 'cat', payload });
  },
  RECEPTOR_REMOTE: () => statusOf(GREETING, (socket) => socket.write('ERROR: the moon is full\n')),
  RECEPTOR_UNKNOWN_UNIT: () => client.workStatus('nosuch'),
  RECEPTOR_UNKNOWN_WORK_TYPE: () => client.submitWork({ workType: 'nosuch' }),
  RECEPTOR_PARAMETER_NOT_ALLOWED: () => client.submitWork({ workType: 'cat', parameters: { params: '-n' } }),
  RECEPTOR_SIGNATURE: () => client.submitWork({ workType: 'cat', signature: 'x' }),
  RECEPTOR_CONFIG_INVALID: () => parseArguments(['--tcp-listner', 'port=1']),
  RECEPTOR_WORK_START_FAILED: () => {
    const payload = new PassThrough();
    const onUnit = (unitId: string) => {
      void client.cancelWork(unitId).finally(() => payload.end());
    };
    return client.submitWork({ workType: 'cat', payload, onUnit });
  },
  RECEPTOR_ABORTED: () => client.status({ signal: AbortSignal.abort() }),
};

describe('every error code is met, with the message that its page tells', () => {
  it.each(Object.entries(PROVOKED))('%s', async (code, provoke) => {
    const error: unknown = await Promise.resolve()
      .then(provoke)
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toBeInstanceOf(ReceptorError);
    const { code: found, message } = error as ReceptorError;
    expect({ code: found, message: message.replace(/work unit \w{8} /, 'work unit ID ') }).toEqual({
      code,
      message: CASES[code as ErrorCode].message,
    });
  });
});
