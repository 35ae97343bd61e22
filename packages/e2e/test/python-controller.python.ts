import { readFileSync } from 'node:fs';
import {
  type DaemonProcess,
  goReceptor,
  type Program,
  pythonReceptorctl,
  receptor,
  run,
} from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authority } from '../../netceptor/test/certificates.js';
import { Mesh, SKIPPED } from './support/mesh.js';

/** The interpreter that runs the Python receptorctl, and so has its library. */
const interpreter = (): string => {
  const [first = ''] = readFileSync(pythonReceptorctl?.command ?? '', 'utf8').split('\n');
  return first.replace(/^#!/, '');
};

/** What each program begins with; `answer` is what the test gets to see. */
const PRELUDE = `
import io, json, socket, sys, threading, hashlib
from receptorctl import ReceptorControl
address, *arguments = sys.argv[1:]
def answer(value): print(json.dumps(value))
def refusal(call, *args, **kwargs):
    try: return {"no error": str(call(*args, **kwargs))}
    except Exception as e: return f"{type(e).__name__}: {e}"
`;

import { freePort } from '../../../test/free-port.js';

const DAEMONS: [string, Program | undefined][] = [
  ['our daemon', receptor],
  // Shows that what is expected here is what controllers are used to.
  [`a Go daemon${SKIPPED}`, goReceptor],
];

describe.each(DAEMONS)('a controller written with ReceptorControl, on %s', (_, program) => {
  describe.skipIf(!pythonReceptorctl || !program)('', () => {
    let mesh: Mesh;
    let daemon: DaemonProcess;
    let tcp: string;
    let tls: string;

    beforeAll(async () => {
      mesh = await Mesh.create();
      const authority = await Authority.create();
      const pair = await authority.sign({ nodeIds: ['foo'], algorithm: 'rsa' });
      const [plainPort, tlsPort] = [await freePort(), await freePort()];
      tcp = `tcp://localhost:${plainPort}`;
      tls = `tls://localhost:${tlsPort}`;
      const files = {
        cert: await mesh.write('foo.crt', pair.cert),
        key: await mesh.write('foo.key', pair.key),
      };
      const ca = await mesh.write('ca.crt', authority.pem);
      const profile = { name: 't', ...files, requireclientcert: true, clientcas: ca };
      ({ daemon } = await mesh.start('foo', program, [
        { 'tls-server': profile },
        { 'tls-client': { name: 'cli', ...files, rootcas: ca } },
        { 'control-service': { service: 'plain', tcplisten: `127.0.0.1:${plainPort}` } },
        { 'control-service': { service: 'tls', tcplisten: `127.0.0.1:${tlsPort}`, tcptls: 't' } },
        { 'work-command': { worktype: 'echo', command: 'echo', params: 'fixed', allowruntimeparams: true } },
        { 'work-command': { worktype: 'endless', command: 'sh', params: `-c "echo first; sleep 300"` } },
        { 'work-command': { worktype: 'fail', command: 'sh', params: `-c "echo some; exit 7"` } },
        'local-only',
      ]));
    });
    afterAll(() => mesh.close());

    /** Runs a program that is given an address, and returns what it answers. */
    const python = async (code: string, address = daemon.socket, ...args: string[]): Promise<unknown> => {
      const {
        code: exit,
        stdout,
        stderr,
      } = await run({ command: interpreter(), prefix: ['-c', PRELUDE + code] }, [address, ...args]);
      if (exit !== 0) throw new Error(stderr.toString());
      return JSON.parse(stdout.toString());
    };

    test('simple_command: every command that is a question', async () => {
      const said = (await python(`
rc = ReceptorControl(address)
answer([rc.simple_command(c) for c in ("status", '{"command":"status","requested_fields":["NodeID"]}', "ping foo",
  "ping nosuch", "traceroute localhost", "work list", "reload")] + [rc._remote_node])
`)) as Record<string, unknown>[];
      expect(said).toEqual([
        expect.objectContaining({ NodeID: 'foo', Connections: [], RoutingTable: {} }),
        { NodeID: 'foo' },
        { Success: true, From: 'foo', Time: expect.any(Number), TimeStr: expect.any(String) },
        { Success: false, Error: 'no route to node' },
        { 0: { From: 'foo', Time: expect.any(Number), TimeStr: expect.any(String) } },
        {},
        { Success: true },
        'foo',
      ]);
    });

    test('simple_command: what is refused is a RuntimeError with the words of the daemon', async () => {
      expect(
        await python(`
rc = ReceptorControl(address)
answer([refusal(rc.simple_command, c) for c in ("nosuch", "ping", "work", "work status nosuch12", "work results",
  "connect", "connect nosuch control", "work cancel nosuch12", "work release nosuch12", "work force-release nosuch12")])
`),
      ).toEqual([
        'RuntimeError: Unknown command',
        'RuntimeError: no ping target',
        'RuntimeError: bad command',
        'RuntimeError: unknown work unit nosuch12',
        'RuntimeError: work results requires a unit ID',
        'RuntimeError: no connect target',
        'RuntimeError: INTERNAL_ERROR (local): no route to node',
        'RuntimeError: unknown work unit nosuch12',
        'RuntimeError: unknown work unit nosuch12',
        'RuntimeError: unknown work unit nosuch12',
      ]);
    });

    test('submit_work of text, bytes and a stream that goes on, and get_work_results with the socket', async () => {
      const said = await python(`
rc = ReceptorControl(address)
out = []
near, far = socket.socketpair()
def transmit():
    with near, near.makefile("wb") as f:
        for i in range(50): f.write(bytes([i]) * 100000); f.flush()
threading.Thread(target=transmit).start()
for payload in ("text\\n", b"\\x00\\xff", io.BytesIO(b"a file"), far.makefile("rb")):
    if not isinstance(payload, (str, bytes)) and not isinstance(payload, io.BytesIO): far.close()
    result = rc.submit_work(worktype="cat", payload=payload, node="foo" if payload == "text\\n" else None)
    unit = result["unitid"]
    sock, file = rc.get_work_results(unit, return_socket=True, return_sockfile=True)
    data = file.read()
    file.close(); sock.close()
    status = rc.simple_command(f"work status {unit}")
    release = rc.simple_command(f"work release {unit}")
    out.append([result["result"], len(data), hashlib.sha256(data).hexdigest(), status["StateName"], status["StdoutSize"], list(release) ])
    if isinstance(payload, (str, bytes)): out[-1].append(data.decode("latin1"))
expected = hashlib.sha256(b"".join(bytes([i]) * 100000 for i in range(50))).hexdigest()
answer([out, out[-1][2] == expected, rc.simple_command("work list")])
`);
      const row = (size: number) => [
        'Job Started',
        size,
        expect.any(String),
        'Succeeded',
        size,
        ['released'],
      ];
      expect(said).toEqual([
        [[...row(5), 'text\n'], [...row(2), '\u0000\u00ff'], row(6), row(5_000_000)],
        true,
        {},
      ]);
    });

    test('get_work_results in its other ways, from a position, and followed while the unit runs', async () => {
      expect(
        await python(`
rc = ReceptorControl(address)
unit = rc.submit_work("cat", "0123456789")["unitid"]
a = rc.get_work_results(unit).read()
b = rc.get_work_results(unit, startpos=7).read()
s, f = rc.get_work_results(unit, startpos=4, return_socket=True)
c = f.read()
d = rc.get_work_results(unit, startpos=10).read()
e = refusal(rc.get_work_results, "nosuch12")
rc.close()
rc = ReceptorControl(address)
rc.simple_command(f"work release {unit}")
runs = rc.submit_work("endless", "")["unitid"]
sock, file = rc.get_work_results(runs, return_socket=True, return_sockfile=True)
g = file.readline()
# Output can be there before the state that tells of it is on disk.
while (state := rc.simple_command(f"work status {runs}")["StateName"]) == "Pending": pass
states = [state]
# A controller that cancels a job ends its own wait by closing the socket.
sock.shutdown(socket.SHUT_RDWR)
h = file.readline()
i = rc.simple_command(f"work cancel {runs}")
states.append(rc.simple_command(f"work status {runs}")["StateName"])
j = rc.simple_command(f"work force-release {runs}")
answer([x.decode() if isinstance(x, bytes) else x for x in (a, b, c, d, e, g, h)] + [states, list(i), list(j)])
`),
      ).toEqual([
        '0123456789',
        '789',
        '456789',
        '',
        'RuntimeError: Failed to get results: unknown work unit nosuch12',
        'first\n',
        '',
        ['Running', 'Canceled'],
        ['cancelled'],
        ['released'],
      ]);
    });

    test('submit_work with parameters, and what it refuses', async () => {
      const file = await mesh.write('parameter.txt', 'from a file');
      expect(
        await python(
          `
rc = ReceptorControl(address)
unit = rc.submit_work("echo", "", params={"params": "@" + arguments[0]})["unitid"]
said = rc.get_work_results(unit).read().decode()
listed = rc.simple_command(f"work list {unit}")[unit]
rc.simple_command(f"work release {unit}")
bad = [refusal(ReceptorControl(address).submit_work, *args, **kwargs) for args, kwargs in (
  (("nosuch", ""), {}), (("cat", ""), {"params": {"params": "x"}}), (("cat", ""), {"params": {"node": "x"}}),
  (("cat", 5), {}), (("cat", ""), {"ttl": "1h"}), (("cat", ""), {"node": "nosuch", "tlsclient": "nosuch"}),
  (("cat", ""), {"node": "far", "params": {"secret_x": "y"}}))]
failed = rc.submit_work("fail", "")["unitid"]
rest = rc.get_work_results(failed).read().decode()
status = rc.simple_command(f"work status {failed}")
for left in list(rc.simple_command("work list")): rc.simple_command(f"work release {left}")
answer([said, listed["WorkType"], bad, rest, status["State"], status["StateName"], status["Detail"]])
`,
          daemon.socket,
          file,
        ),
      ).toEqual([
        'fixed from a file\n',
        'echo',
        [
          'RuntimeError: Failed to start work unit: unknown work type nosuch',
          'RuntimeError: Failed to start work unit: extra params provided but not allowed',
          'RuntimeError: Duplicate or illegal parameter node',
          'RuntimeError: Unknown payload type',
          'RuntimeError: Failed to start work unit: ttl option is intended for remote work only',
          'RuntimeError: Failed to start work unit: unknown TLS config nosuch',
          'RuntimeError: Failed to start work unit: cannot send secrets over a non-TLS connection',
        ],
        'some\n',
        3,
        'Failed',
        'exit status 7',
      ]);
    });

    test('connect_to_service: the connection is one with the service', async () => {
      expect(
        await python(`
rc = ReceptorControl(address)
rc.connect_to_service("foo", "control", "")
rc.handshake()
through = rc.simple_command("status")["NodeID"]
unit = rc.submit_work("cat", "through")["unitid"]
read = rc.get_work_results(unit).read().decode()
rc.close()
rc = ReceptorControl(address)
rc.simple_command(f"work release {unit}")
bad = [refusal(ReceptorControl(address).connect_to_service, *a) for a in (
  ("nosuch", "control", ""), ("foo", "toolongname", ""), ("foo", "control", "nosuch"))]
answer([through, read, bad])
`),
      ).toEqual([
        'foo',
        'through',
        [
          'RuntimeError: ERROR: INTERNAL_ERROR (local): no route to node',
          'RuntimeError: ERROR: INTERNAL_ERROR (local): service name too long',
          'RuntimeError: ERROR: unknown TLS config nosuch',
        ],
      ]);
    });

    test.each([
      ['TCP', 'ReceptorControl(address)'],
      ['TLS', 'ReceptorControl(address, rootcas=arguments[0], key=arguments[1], cert=arguments[2])'],
      ['TLS as a configuration has it', 'ReceptorControl(address, config=arguments[3], tlsclient="cli")'],
    ])('over %s', async (name, control) => {
      expect(
        await python(
          `
rc = ${control}
node = rc.simple_command("status")["NodeID"]
unit = rc.submit_work("cat", b"x" * 3000000)["unitid"]
sock, file = rc.get_work_results(unit, return_socket=True, return_sockfile=True)
size = len(file.read())
answer([node, size, list(rc.simple_command(f"work release {unit}"))])
`,
          name === 'TCP' ? tcp : tls,
          ...['ca.crt', 'foo.key', 'foo.crt', 'foo/receptor.yml'].map((file) => mesh.file(file)),
        ),
      ).toEqual(['foo', 3_000_000, ['released']]);
    });
  });
});
