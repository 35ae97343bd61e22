// MB/s and CPU of a stream between two endpoints in this process, at the packet sizes of a Go peer and of an own one:
//
//   node bench/throughput.mjs [megabytes]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityFromPem, QuicEndpoint, warmUp } from '../dist/index.js';

const megabytes = Number(process.argv[2] ?? 200);
const folder = mkdtempSync(join(tmpdir(), 'quic-bench-'));
const key = join(folder, 'key.pem');
const certificate = join(folder, 'certificate.pem');
const openssl = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench -days 1 -keyout ${key} -out ${certificate}`;
execFileSync('openssl', openssl.split(' '), { stdio: 'ignore' });
const identity = identityFromPem(readFileSync(certificate, 'utf8'), readFileSync(key, 'utf8'));
rmSync(folder, { recursive: true });
warmUp();

/** Two endpoints, each of which gets the other's datagrams in the next turn. */
function pair(maxDatagramSize) {
  const send = (to, from) => (datagrams) => {
    setImmediate(() => {
      for (const datagram of datagrams) ends[to].receive(datagram, from);
    });
  };
  const ends = [
    new QuicEndpoint({ maxDatagramSize, send: send(1, 'a') }),
    new QuicEndpoint({ maxDatagramSize, send: send(0, 'b') }),
  ];
  return ends;
}

async function connect([client, server]) {
  const accepted = new Promise((resolve) => {
    server.listen({ protocols: ['bench'], identity, onConnection: resolve });
  });
  const dialled = await client.connect('b', { protocols: ['bench'], verifyPeer: () => {} });
  return [dialled, await accepted];
}

async function transfer(maxDatagramSize) {
  const ends = pair(maxDatagramSize);
  const [dialled, accepted] = await connect(ends);
  const stream = await dialled.openStream();
  const chunk = Buffer.alloc(65_536, 1);
  const total = Math.round((megabytes * 1e6) / chunk.length) * chunk.length;
  const before = process.cpuUsage();
  const start = performance.now();
  const sending = (async () => {
    for (let sent = 0; sent < total; sent += chunk.length) {
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.end();
  })();
  const incoming = await accepted.acceptStream();
  let received = 0;
  incoming.on('data', (data) => {
    received += data.length;
  });
  await Promise.all([sending, new Promise((resolve) => incoming.once('end', resolve))]);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  if (received !== total) throw new Error(`${received} of ${total} bytes arrived`);
  const { datagramSize, packetsSent, packetsLost } = dialled.statistics();
  for (const end of ends) end.close();
  const rate = (received / 1e6 / seconds).toFixed(0);
  const cost = ((user + system) / 1000 / (received / 1e6)).toFixed(2);
  console.log(
    `packets of ${datagramSize}: ${rate} MB/s, ${cost} ms of CPU per MB for both ends, ${packetsSent} packets, ${packetsLost} lost`,
  );
}

async function handshakes(count) {
  const ends = pair(16_348);
  const before = process.cpuUsage();
  const start = performance.now();
  for (let done = 0; done < count; done++) {
    const [dialled] = await connect(ends);
    dialled.close();
  }
  const milliseconds = (performance.now() - start) / count;
  const { user, system } = process.cpuUsage(before);
  for (const end of ends) end.close();
  const cost = ((user + system) / 1000 / count).toFixed(2);
  console.log(`handshake (P-256): ${milliseconds.toFixed(2)} ms, ${cost} ms of CPU for both ends`);
}

await handshakes(200);
for (const size of [1200, 16_348]) await transfer(size);
