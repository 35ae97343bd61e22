import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { configError } from '../../config/item.js';
import type { IpAddress, IpNetwork } from '../../ip-network.js';
import { systemErrorText } from '../../listeners/system-error.js';
import { LinuxCalls } from './linux-calls.js';

const PATH = '/dev/net/tun';
/** More than a packet can have. */
const BUFFER = 65_536;
/** What Linux says when the interface of a device is gone; Node has no name for it. */
const EBADFD = 77;

/** A network interface whose packets this process reads and writes. */
export interface Tun {
  /** The name of the interface. */
  readonly name: string;
  /** Has packets that the machine sends over the interface given to `receive`, until it returns false. */
  start(receive: (packet: Buffer) => boolean, failed: (error: Error) => void): void;
  /** Goes on after `receive` has returned false. */
  resume(): void;
  /** Has the machine receive a packet. @throws the system's error */
  write(packet: Buffer): void;
  /** @throws the system's error */
  addRoute(network: IpNetwork): void;
  /** @throws the system's error */
  removeRoute(network: IpNetwork): void;
  /** Removes the interface, or only its address if somebody made it to stay. */
  close(): void;
}

/** What {@link openTun} is to make. */
export interface TunSettings {
  /** Empty for a name that the kernel chooses. */
  readonly name: string;
  readonly local: IpAddress;
  readonly peer: IpAddress;
}

/**
 * Makes an interface and sets it up.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`
 */
export async function openTun({ name, local, peer }: TunSettings): Promise<Tun> {
  const calls = await loadCalls();
  const fd = step(`opening tun device: open ${PATH}`, () =>
    openSync(PATH, constants.O_RDWR | constants.O_NONBLOCK),
  );
  try {
    const device = step(`opening tun device${name && ` ${name}`}`, () => calls.attachTun(fd, name));
    step('adding IP address to link', () => calls.setAddresses(device, local, peer));
    step('setting link up', () => calls.setUp(device));
    return new TunDevice({ fd, name: device, peer, calls });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function loadCalls(): Promise<LinuxCalls> {
  const problem = (why: string, cause?: unknown) => configError(`error opening tun device: ${why}`, cause);
  if (process.platform !== 'linux') throw problem('ip-router needs Linux');
  try {
    return await LinuxCalls.load();
  } catch (error) {
    const why =
      'ip-router needs the package koffi, which is not installed here or has no build for this system';
    throw problem(why, error);
  }
}

/** @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon */
function step<T>(doing: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw configError(`error ${doing}: ${systemErrorText(error)}`, error);
  }
}

interface TunDeviceOptions {
  readonly fd: number;
  readonly name: string;
  readonly peer: IpAddress;
  readonly calls: LinuxCalls;
}

/**
 * Node cannot wait for such a file: it takes it for one on a disk, and a read that waits would keep one of its few threads. For a
 * pipe it waits with all else that it waits for, so it is given one, in whose place the device is put before it has begun.
 */
class TunDevice implements Tun {
  readonly name: string;
  readonly #options: TunDeviceOptions;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER);
  #reader: Socket | undefined;

  constructor(options: TunDeviceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(receive: (packet: Buffer) => boolean, failed: (error: Error) => void): void {
    const { fd, calls } = this.#options;
    const end = calls.pipeEnd();
    // What is read at a time is a packet. Nothing is read any more once the callback has returned false.
    const callback = (length: number) => receive(this.#buffer.subarray(0, length));
    const options: SocketConstructorOpts & ConnectOpts = {
      fd: end,
      writable: false,
      onread: { buffer: this.#buffer, callback },
    };
    this.#reader = new Socket(options);
    calls.replace(end, fd);
    this.#reader.on('error', (error: NodeJS.ErrnoException) =>
      failed(error.errno === -EBADFD ? new Error('the interface has been removed') : error),
    );
  }

  resume(): void {
    this.#reader?.resume();
  }

  write(packet: Buffer): void {
    writeSync(this.#options.fd, packet);
  }

  addRoute(network: IpNetwork): void {
    const { calls, peer } = this.#options;
    calls.addRoute(network, this.name, peer);
  }

  removeRoute(network: IpNetwork): void {
    const { calls, peer } = this.#options;
    calls.removeRoute(network, this.name, peer);
  }

  close(): void {
    const { fd, calls } = this.#options;
    this.#reader?.destroy();
    try {
      calls.removeAddress(this.name);
    } catch {
      // It has gone before, with its interface.
    } finally {
      closeSync(fd);
    }
  }
}
