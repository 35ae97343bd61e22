// MB/s and CPU of a stream between two ends in this process: QUIC in memory at the packet sizes of a Go peer and of an
// own one, and node:tls over loopback for comparison.
//
//   node bench/throughput.mjs [megabytes]           all of it, and handshakes
//   node bench/throughput.mjs megabytes 1200|65471|tls    one of them, as JSON: MB/s, ms of CPU per MB for both ends
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer } from 'node:tls';
import { identityFromPem, QuicEndpoint, warmUp } from '../dist/index.js';

const megabytes = Number(process.argv[2] ?? 200);
const folder = mkdtempSync(join(tmpdir(), 'quic-bench-'));
const key = join(folder, 'key.pem');
const certificate = join(folder, 'certificate.pem');
const openssl = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench -days 1 -keyout ${key} -out ${certificate}`;
execFileSync('openssl', openssl.split(' '), { stdio: 'ignore' });
const pem = { cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
const identity = identityFromPem(pem.cert, pem.key);
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

/** Moves bytes from one stream to another; gives MB/s and ms of CPU per MB. */
async function move(from, to) {
  const chunk = Buffer.alloc(65_536, 1);
  const total = Math.round((megabytes * 1e6) / chunk.length) * chunk.length;
  let received = 0;
  to.on('data', (data) => {
    received += data.length;
  });
  const ended = new Promise((resolve) => to.once('end', resolve));
  const before = process.cpuUsage();
  const start = performance.now();
  for (let sent = 0; sent < total; sent += chunk.length) {
    if (!from.write(chunk)) await new Promise((resolve) => from.once('drain', resolve));
  }
  from.end();
  await ended;
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  if (received !== total) throw new Error(`${received} of ${total} bytes arrived`);
  return { rate: received / 1e6 / seconds, cost: (user + system) / 1000 / (received / 1e6) };
}

async function quic(maxDatagramSize) {
  const ends = pair(maxDatagramSize);
  const [dialled, accepted] = await connect(ends);
  const stream = await dialled.openStream();
  stream.write('begin');
  const incoming = await accepted.acceptStream();
  await new Promise((resolve) => incoming.once('readable', resolve));
  incoming.read();
  const figures = await move(stream, incoming);
  for (const end of ends) end.close();
  return figures;
}

async function tls() {
  let arrived;
  const incoming = new Promise((resolve) => {
    arrived = resolve;
  });
  const server = createServer(pem, arrived);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const outgoing = connectTls({
    port: server.address().port,
    host: '127.0.0.1',
    ca: pem.cert,
    checkServerIdentity: () => undefined,
  });
  const figures = await move(outgoing, await incoming);
  outgoing.destroy();
  server.close();
  return figures;
}

async function handshakes(count) {
  const ends = pair(65_471);
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

const subjects = { 1200: () => quic(1200), 65471: () => quic(65_471), tls };
const only = subjects[process.argv[3]];
if (only) {
  console.log(JSON.stringify(await only()));
} else {
  await handshakes(200);
  for (const [name, measure] of Object.entries(subjects)) {
    const { rate, cost } = await measure();
    const subject = name === 'tls' ? 'node:tls' : `QUIC, packets of ${name}`;
    console.log(`${subject}: ${rate.toFixed(0)} MB/s, ${cost.toFixed(2)} ms of CPU per MB for both ends`);
  }
}
