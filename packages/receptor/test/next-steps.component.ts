import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@receptor/workceptor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseArguments } from '../src/config/arguments.js';
import { type Daemon, startDaemon } from '../src/daemon.js';
import { nextStep } from '../src/next-steps.js';
import { runs } from './go-runs.js';

describe('a next step', () => {
  const refusals = new Set(
    runs
      .flatMap(({ stdout }) => /^Error: ([\s\S]*)/m.exec(stdout)?.[1]?.trimEnd() ?? [])
      // What Go refuses so works here.
      .filter((message) => !message.startsWith('[DEPRECATION WARNING]')),
  );

  it.each([...refusals])('is there for what the Go daemon says: %s', (message) => {
    expect(nextStep(message)).toBeDefined();
  });

  it('is not made up for an error that nobody has thought of', () => {
    expect(nextStep('the moon is full')).toBeUndefined();
  });
});

describe('at the start of a daemon', () => {
  let directory: string;
  let daemon: Daemon | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  });
  afterEach(async () => {
    await daemon?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Starts a daemon with more sections, and returns what it says to do about the error that ends the start. */
  async function stepOf(sections: string, file = join(directory, 'foo.yml')): Promise<string | undefined> {
    const text = `- node: {id: foo, datadir: ${directory}/data}\n${sections.replaceAll('DIR', directory)}\n`;
    writeFileSync(join(directory, 'foo.yml'), text);
    try {
      const request = await parseArguments(['-c', file]);
      if (request.ask !== 'run') throw new Error(`asks for ${request.ask}`);
      daemon = await startDaemon(request, { ...silentLogger, level: 'error' });
    } catch (error) {
      return nextStep((error as Error).message);
    }
    return 'it started';
  }

  it('whose port is taken, the process that has it can be found', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    expect(await stepOf(`- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`)).toBe(
      `another process has port ${port}; which one, says: ss -lnpt 'sport = :${port}'. Stop it, or choose another port`,
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it.each([
    ['- tcp-listener: {port: 99999}', /^a port is a number from 0 to 65535/],
    ['- tcp-listener: {port: 0, bindaddr: 192.0.2.1}', /^'bindaddr' has to be an address of this machine/],
    ['- tcp-listener: {port: 0, tls: nosuch}', /add a tls-server .* with name: nosuch$/],
    ['- control-service: {filename: DIR/no/foo.sock}', /^make the directory of \S*\/no\/foo.sock first/],
    [`- control-service: {filename: DIR/${'x'.repeat(110)}}`, /^a socket's path may have some 100 bytes/],
    ['- control-service: {tcplisten: 127.0.0.1:x}', /^a port is a number/],
    ['- control-service: {service: a}\n- control-service: {service: a}', /^two control-services/],
    [
      '- work-command: {worktype: a, command: cat}\n- work-command: {worktype: a, command: cat}',
      /rename one$/,
    ],
    ['- work-kubernetes: {worktype: a, authmethod: nosuch}', /^authmethod is/],
    ['- tls-server: {name: a, cert: DIR/nosuch.crt, key: DIR/nosuch.key}', /^make the file \S*nosuch.crt/],
    ['- log-level: loud', /^the levels are/],
    ['- tcp-peer: {address: hub}', /^an address is HOST:PORT/],
  ])('with %s', async (sections, step) => {
    expect(await stepOf(sections)).toMatch(step);
  });

  it('without its file', async () => {
    expect(await stepOf('', join(directory, 'nosuch.yml'))).toMatch(/name the configuration with -c FILE$/);
  });

  it('whose file is a directory is told of without one, because the error says it', async () => {
    mkdirSync(join(directory, 'folder'));
    expect(await stepOf('', join(directory, 'folder'))).toBeUndefined();
  });
});
