import { checkCost, checkHostPort, checkUrl } from '../checks.js';
import { bool, defineSection, float, int, numberMap, string, stringList } from '../section.js';

const bindaddr = string('Local address to bind to', { default: '0.0.0.0' });
const redial = bool('Keep redialing on lost connection', { default: 'true' });
const serverTls = string('Name of TLS server config', { refersTo: 'tls-server' });
const clientTls = string('Name of TLS client config', { refersTo: 'tls-client' });
const cost = float('Connection cost (weight)', { default: '1.0' });
const nodecost = numberMap('Per-node costs');
const allowedpeers = stringList('Peer node IDs to allow via this connection');

export const tcpListener = defineSection({
  name: 'tcp-listener',
  group: 'backends',
  help: 'Run a backend listener on a TCP port',
  fields: {
    bindaddr,
    port: int('Local TCP port to listen on', { required: true, bare: true }),
    tls: serverTls,
    cost,
    nodecost,
    allowedpeers,
  },
  checks: { prepare: checkCost },
});

export const tcpPeer = defineSection({
  name: 'tcp-peer',
  group: 'backends',
  help: 'Make an outbound backend connection to a TCP peer',
  fields: {
    address: string('Remote address (Host:Port) to connect to', { required: true, bare: true }),
    redial,
    tls: clientTls,
    cost,
    allowedpeers,
  },
  checks: { prepare: checkCost, run: ({ address }) => checkHostPort(address) },
});

export const udpListener = defineSection({
  name: 'udp-listener',
  group: 'backends',
  help: 'Run a backend listener on a UDP port',
  fields: {
    bindaddr,
    port: int('Local UDP port to listen on', { required: true, bare: true }),
    cost,
    nodecost,
    allowedpeers,
  },
  checks: { prepare: checkCost },
});

export const udpPeer = defineSection({
  name: 'udp-peer',
  group: 'backends',
  help: 'Make an outbound backend connection to a UDP peer',
  fields: {
    address: string('Host:Port to connect to', { required: true, bare: true }),
    redial,
    cost,
    allowedpeers,
  },
  checks: { prepare: checkCost, run: ({ address }) => checkHostPort(address) },
});

export const wsListener = defineSection({
  name: 'ws-listener',
  group: 'backends',
  help: 'Run an http server that accepts websocket connections',
  fields: {
    bindaddr,
    port: int('Local TCP port to run http server on', { required: true, bare: true }),
    path: string('URI path to the websocket server', { default: '/' }),
    tls: serverTls,
    cost,
    nodecost,
    allowedpeers,
  },
  checks: { prepare: checkCost },
});

export const wsPeer = defineSection({
  name: 'ws-peer',
  group: 'backends',
  help: 'Connect outbound to a websocket peer',
  fields: {
    address: string('URL to connect to', { required: true, bare: true }),
    redial,
    extraheader: string('Sends extra HTTP header on initial connection'),
    tls: clientTls,
    cost,
    allowedpeers,
  },
  checks: {
    prepare: (settings) =>
      checkCost(settings) ?? checkUrl(settings.address) ?? checkHeader(settings.extraheader),
  },
});

const checkHeader = (header: string): string | undefined =>
  header && !header.includes(':') ? 'extra header must be in the form key:value' : undefined;
