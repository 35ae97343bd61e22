import { checkHostPort, checkIpRouter, checkServiceName } from '../checks.js';
import { defineSection, int, string } from '../section.js';

const service = string('Receptor service name to bind to', { required: true });
const remotenode = string('Receptor node to connect to', { required: true });
const remoteservice = string('Receptor service name to connect to', { required: true });

const checkService = (settings: { readonly service: string }): string | undefined =>
  checkServiceName('error listening on Receptor network: ', settings.service);

export const commandService = defineSection({
  name: 'command-service',
  group: 'services',
  help: 'Run an interactive command via a Receptor service',
  fields: {
    service,
    command: string('Command to execute on a connection', { required: true }),
    tls: string('Name of TLS server config', { refersTo: 'tls-server' }),
  },
  checks: { run: checkService },
});

export const ipRouter = defineSection({
  name: 'ip-router',
  plural: 'iprouters',
  group: 'services',
  help: 'Run an IP router using a tun interface',
  fields: {
    networkname: string('Name of this network and service.', { required: true }),
    interface: string('Name of the local tun interface', {
      note: 'Without one the kernel chooses it, as always with the Go daemon: `tun0`. `%d` in it stands for a free number.',
    }),
    localnet: string('Local /30 CIDR address', {
      required: true,
      note: 'Of IPv4, and another one on each node.',
    }),
    routes: string('Comma separated list of CIDR subnets to advertise'),
  },
  notes: `Carries IP packets between an interface of its own and the nodes that have an \`ip-router\` with the same \`networkname\`, as [the
guide](../guides/mesh.md#networks-over-the-mesh) shows. Runs on Linux, and needs root or CAP_NET_ADMIN, \`/dev/net/tun\`, and the optional package koffi. The first address
of \`localnet\` is this machine's, the second that of the other end. Networks that other nodes lead to, up to 100 of each and 1,000 in all, become
routes over the interface; not those wider than /8, nor those that the machine is connected to. A route that the machine has
besides for the same network is preferred.`,
  checks: { run: checkIpRouter },
});

export const tcpServer = defineSection({
  name: 'tcp-server',
  group: 'services',
  help: 'Listen for TCP and forward via Receptor',
  fields: {
    port: int('Local TCP port to bind to', { required: true }),
    bindaddr: string('Address to bind TCP listener to', { default: '0.0.0.0' }),
    remotenode,
    remoteservice,
    tlsserver: string('Name of TLS server config for the TCP listener', { refersTo: 'tls-server' }),
    tlsclient: string('Name of TLS client config for the Receptor connection', { refersTo: 'tls-client' }),
  },
});

export const tcpClient = defineSection({
  name: 'tcp-client',
  group: 'services',
  help: 'Listen on a Receptor service and forward via TCP',
  fields: {
    service,
    address: string('Address for outbound TCP connection', { required: true }),
    tlsserver: string('Name of TLS server config for the Receptor service', { refersTo: 'tls-server' }),
    tlsclient: string('Name of TLS client config for the TCP connection', { refersTo: 'tls-client' }),
  },
  checks: { run: (settings) => checkHostPort(settings.address) ?? checkService(settings) },
});

export const udpServer = defineSection({
  name: 'udp-server',
  group: 'services',
  help: 'Listen for UDP and forward via Receptor',
  fields: {
    port: int('Local UDP port to bind to', { required: true }),
    bindaddr: string('Address to bind UDP listener to', { default: '0.0.0.0' }),
    remotenode,
    remoteservice,
  },
});

export const udpClient = defineSection({
  name: 'udp-client',
  group: 'services',
  help: 'Listen on a Receptor service and forward via UDP',
  fields: {
    service,
    address: string('Address for outbound UDP connection', { required: true }),
  },
  checks: { run: checkService },
});

export const unixSocketServer = defineSection({
  name: 'unix-socket-server',
  group: 'services',
  help: 'Listen on a Unix socket and forward via Receptor',
  fields: {
    filename: string('Socket filename, which will be overwritten', { required: true }),
    permissions: int('Socket file permissions', { default: '0600' }),
    remotenode,
    remoteservice,
    tls: string('Name of TLS client config for the Receptor connection', { refersTo: 'tls-client' }),
  },
});

export const unixSocketClient = defineSection({
  name: 'unix-socket-client',
  group: 'services',
  help: 'Listen via Receptor and forward to a Unix socket',
  fields: {
    service,
    filename: string('Socket filename, which must already exist', { required: true }),
    tls: string('Name of TLS server config for the Receptor connection', { refersTo: 'tls-server' }),
  },
  checks: { run: checkService },
});
