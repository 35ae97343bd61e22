import { closeSync } from 'node:fs';
import { getSystemErrorMap, getSystemErrorName } from 'node:util';
import { addressBytes, type IpAddress, type IpNetwork } from '../../ip-network.js';

type Koffi = typeof import('koffi').default;
/** The functions of the C library, as koffi calls them: a type before each of the further arguments. */
interface CLibrary {
  ioctl(fd: number, request: number, ...argument: [type: unknown, value: unknown]): number;
  pipe2(ends: Int32Array, flags: number): number;
  dup3(from: number, to: number, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
}

/** Numbers of Linux, the same for all kinds of machine that koffi has a build for. */
const Request = {
  addRoute: 0x890b,
  deleteRoute: 0x890c,
  getFlags: 0x8913,
  setFlags: 0x8914,
  setAddress: 0x8916,
  setPeerAddress: 0x8918,
  getIndex: 0x8933,
} as const;
/** `_IOW('T', 202, int)`, which PowerPC has its own way to write. */
const TUNSETIFF = process.arch === 'ppc64' ? 0x800454ca : 0x400454ca;
const O_CLOEXEC = 0o2000000;
const IFF_UP = 1;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const RTF_UP = 1;
const RTF_GATEWAY = 2;
const Domain = { inet: 2, inet6: 10 } as const;
const SOCK_DGRAM_CLOEXEC = 0o2000002;

const NAME_LENGTH = 16;
const REQUEST_LENGTH = 40;
/** Any route that the machine has besides for the same network is preferred. */
const METRIC = 2048;

/**
 * The calls of Linux that make and set up a tun device. Node has none of them, so koffi makes them; setting up by calls
 * too, and not by the program `ip`, leaves nothing else to be installed, and works with what the daemon itself may do.
 */
export class LinuxCalls {
  readonly #library: CLibrary;
  readonly #errno: () => number;
  readonly #route: unknown;
  readonly #route6: unknown;

  private constructor(koffi: Koffi) {
    const library = koffi.load(null);
    this.#library = {
      ioctl: library.func('int ioctl(int fd, unsigned long request, ...)'),
      pipe2: library.func('int pipe2(_Out_ int *ends, int flags)'),
      dup3: library.func('int dup3(int from, int to, int flags)'),
      socket: library.func('int socket(int domain, int type, int protocol)'),
    };
    this.#errno = () => koffi.errno();
    const bytes = (length: number) => koffi.array('uint8', length);
    // struct rtentry and struct in6_rtmsg
    this.#route = koffi.pointer(
      koffi.struct({
        unused1: 'ulong',
        destination: bytes(16),
        gateway: bytes(16),
        mask: bytes(16),
        flags: 'ushort',
        unused2: 'short',
        unused3: 'ulong',
        unused4: 'void *',
        metric: 'short',
        device: 'str',
        unused5: 'ulong',
        unused6: 'ulong',
        unused7: 'ushort',
      }),
    );
    this.#route6 = koffi.pointer(
      koffi.struct({
        destination: bytes(16),
        source: bytes(16),
        gateway: bytes(16),
        type: 'uint32',
        bits: 'uint16',
        sourceBits: 'uint16',
        metric: 'uint32',
        info: 'ulong',
        flags: 'uint32',
        index: 'int',
      }),
    );
  }

  /** @throws what is thrown where koffi, an optional dependency, is not installed or has no build for this system */
  static async load(): Promise<LinuxCalls> {
    const { default: koffi } = await import('koffi');
    return new LinuxCalls(koffi);
  }

  /**
   * Makes an opened `/dev/net/tun` a device whose packets are of IP, with nothing before them.
   * @param name of the device; empty for one that the kernel chooses
   * @returns its name
   */
  attachTun(fd: number, name: string): string {
    const request = namedRequest(name);
    setShort(request, IFF_TUN | IFF_NO_PI);
    this.#ioctl(fd, TUNSETIFF, request);
    return request.subarray(0, NAME_LENGTH).toString('latin1').replace(/\0.*/, '');
  }

  /** A pipe, of which nothing but the end to read from is left. */
  pipeEnd(): number {
    const ends = new Int32Array(2);
    this.#check(this.#library.pipe2(ends, O_CLOEXEC));
    const [end = -1, other = -1] = ends;
    closeSync(other);
    return end;
  }

  /** Has a descriptor stand for the same file as another. */
  replace(fd: number, other: number): void {
    this.#check(this.#library.dup3(other, fd, O_CLOEXEC));
  }

  /** Gives a device its address and that of the other end. */
  setAddresses(device: string, local: IpAddress, peer: IpAddress): void {
    this.#setAddress(Request.setAddress, device, local);
    this.#setAddress(Request.setPeerAddress, device, peer);
  }

  /** Takes its address from a device. */
  removeAddress(device: string): void {
    this.#setAddress(Request.setAddress, device, [0]);
  }

  #setAddress(request: number, device: string, address: IpAddress): void {
    const argument = namedRequest(device);
    argument.set(socketAddress(address), NAME_LENGTH);
    this.#withSocket(Domain.inet, (socket) => this.#ioctl(socket, request, argument));
  }

  setUp(device: string): void {
    this.#withSocket(Domain.inet, (socket) => {
      const request = namedRequest(device);
      this.#ioctl(socket, Request.getFlags, request);
      setShort(request, getShort(request) | IFF_UP);
      this.#ioctl(socket, Request.setFlags, request);
    });
  }

  /** Adds a route over a device, unless it is there. @param gateway the other end of the device, for networks of IPv4 */
  addRoute(network: IpNetwork, device: string, gateway: IpAddress): void {
    this.#changeRoute(Request.addRoute, network, device, gateway, ['EEXIST']);
  }

  /** Removes it, unless it is gone. */
  removeRoute(network: IpNetwork, device: string, gateway: IpAddress): void {
    this.#changeRoute(Request.deleteRoute, network, device, gateway, ['ESRCH', 'ENOENT', 'ENODEV']);
  }

  #changeRoute(
    request: number,
    network: IpNetwork,
    device: string,
    gateway: IpAddress,
    asWanted: readonly string[],
  ): void {
    try {
      if (network.base.length === 1) this.#changeRoute4(request, network, device, gateway);
      else this.#changeRoute6(request, network, device);
    } catch (error) {
      if (!asWanted.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }

  #changeRoute4(request: number, { base, mask }: IpNetwork, device: string, gateway: IpAddress): void {
    const route = {
      unused1: 0,
      destination: socketAddress(base),
      gateway: socketAddress(gateway),
      mask: socketAddress(mask),
      flags: RTF_UP | RTF_GATEWAY,
      unused2: 0,
      unused3: 0,
      unused4: null,
      // Of the kernel's, one less.
      metric: METRIC + 1,
      device,
      unused5: 0,
      unused6: 0,
      unused7: 0,
    };
    this.#withSocket(Domain.inet, (socket) => this.#ioctl(socket, request, route, this.#route));
  }

  #changeRoute6(request: number, { base, bits }: IpNetwork, device: string): void {
    this.#withSocket(Domain.inet6, (socket) => {
      const named = namedRequest(device);
      this.#ioctl(socket, Request.getIndex, named);
      const route = {
        destination: addressBytes(base),
        source: Buffer.alloc(16),
        gateway: Buffer.alloc(16),
        type: 0,
        bits,
        sourceBits: 0,
        metric: METRIC,
        info: 0,
        flags: RTF_UP,
        index: new Int32Array(named.buffer, NAME_LENGTH)[0],
      };
      this.#ioctl(socket, request, route, this.#route6);
    });
  }

  #withSocket<T>(domain: number, use: (socket: number) => T): T {
    const socket = this.#check(this.#library.socket(domain, SOCK_DGRAM_CLOEXEC, 0));
    try {
      return use(socket);
    } finally {
      closeSync(socket);
    }
  }

  #ioctl(fd: number, request: number, argument: unknown, type: unknown = 'void *'): void {
    this.#check(this.#library.ioctl(fd, request, type, argument));
  }

  /** @throws an error of the system, as Node's functions do */
  #check(result: number): number {
    if (result >= 0) return result;
    const errno = -this.#errno();
    const text = getSystemErrorMap().get(errno)?.[1] ?? `errno ${-errno}`;
    throw Object.assign(new Error(text), { errno, code: getSystemErrorName(errno) });
  }
}

/** A `struct ifreq` for a device. It has its memory for itself, where numbers stand as the machine writes them. */
function namedRequest(device: string): Buffer<ArrayBuffer> {
  const request = Buffer.from(new ArrayBuffer(REQUEST_LENGTH));
  request.write(device, 0, NAME_LENGTH - 1, 'latin1');
  return request;
}

const shortOf = (request: Buffer<ArrayBuffer>) => new Uint16Array(request.buffer, NAME_LENGTH, 1);
const getShort = (request: Buffer<ArrayBuffer>): number => shortOf(request)[0] ?? 0;
const setShort = (request: Buffer<ArrayBuffer>, value: number) => shortOf(request).set([value]);

/** A `struct sockaddr_in`. */
function socketAddress(address: IpAddress): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(16));
  new Uint16Array(bytes.buffer, 0, 1).set([Domain.inet]);
  bytes.set(addressBytes(address), 4);
  return bytes;
}
