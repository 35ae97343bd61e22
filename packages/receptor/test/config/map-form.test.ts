import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { mapKey } from '../../src/config/map-form.js';
import { SECTIONS } from '../../src/config/sections/index.js';

let directory: string;
let file: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  file = join(directory, 'foo.yml');
});
afterAll(() => rmSync(directory, { recursive: true }));

async function read(text: string, args = ['-c', file]) {
  writeFileSync(file, text);
  const request = await parseArguments(args);
  if (request.ask !== 'run') throw new Error(request.ask);
  return {
    items: request.items.map(({ section, settings }) => ({ section, settings })),
    warnings: request.warnings.map((warning) => warning.replaceAll(directory, 'DIR')),
  };
}

/** What the two files have in common: everything, but for the order. */
async function expectSame(map: string, list: string): Promise<void> {
  const [fromMap, fromList] = [await read(map), await read(list)];
  expect(fromMap.warnings).toEqual([]);
  expect(fromMap.items).toEqual(fromList.items);
}

/** The file that the captured run of the Go daemon was started with. */
const CAPTURED = `---
version: 2
node:
  id: foo
  datadir: data
  receptorkubesupportreconnect: disabled
log-level:
  level: info
tcp-listeners:
  - port: 38285
    bindaddr: 127.0.0.1
control-services:
  - service: control
    filename: foo.sock
work-commands:
  - worktype: cat
    command: cat
`;

describe('a file in the map form', () => {
  it('says the same as one in the list form', () =>
    expectSame(
      CAPTURED,
      `- node: {id: foo, datadir: data, receptorkubesupportreconnect: disabled}
- log-level: info
- tcp-listener: {port: 38285, bindaddr: 127.0.0.1}
- control-service: {filename: foo.sock}
- work-command: {worktype: cat, command: cat}`,
    ));

  it.each([['-c'], ['--config'], ['--config-v2', '--config'], ['--CONFIG-V2', '-c']])(
    'is read after %s %s',
    async (...args) => {
      expect((await read(CAPTURED, [...args, file])).items).toHaveLength(5);
      expect((await read(CAPTURED, ['--config-v2', `--config=${file}`])).items).toHaveLength(5);
    },
  );

  it('is looked for at home when only --config-v2 is given', async () => {
    vi.stubEnv('HOME', directory);
    try {
      await expect(read('', ['--config-v2'])).rejects.toThrow(
        `Could not locate config file (default is ${directory}/receptor.yaml)`,
      );
      writeFileSync(join(directory, 'receptor.yaml'), CAPTURED);
      expect((await read('', ['--config-v2'])).items).toHaveLength(5);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('has every section under its key, one or several', async () => {
    const values: Record<string, string> = { address: 'a:1', port: '1', bits: '1' };
    for (const section of SECTIONS.filter(({ exclusive }) => !exclusive)) {
      const fields = Object.entries(section.fields).flatMap(([name, { required }]) =>
        required ? [`${name}: "${values[name] ?? 'a'}"`] : [],
      );
      const one = `{${fields.join(', ') || 'local: true'}}`.replace(
        '{local: true}',
        section.name === 'local-only' ? '{local: true}' : '{}',
      );
      const list = `- ${section.name}: ${one}\n`;
      await expectSame(`version: 2\n${mapKey(section)}: ${one}\n`, list);
      if (!section.single) await expectSame(`${mapKey(section)}: [${one}, ${one}]\n`, list + list);
    }
  });

  it('may write keys in any case, and the bare value of a section alone', () =>
    expectSame(
      'Node: {ID: foo}\nLog-Level: debug\nTCP-Peers: ["a:1", {Address: "b:2"}]\n',
      '- node: foo\n- log-level: debug\n- tcp-peer: a:1\n- tcp-peer: b:2\n',
    ));

  it('leaves out what has nothing behind its colon, but not local-only', async () => {
    await expectSame(
      'node: {id: foo, datadir: }\nlog-level:\ntcp-peers:\nlocal-only:\n',
      '- node: foo\n- local-only\n',
    );
    await expectSame('node: {id: foo}\nlocal-only: {}\n', '- node: foo\n- local-only\n');
    await expectSame('node: {id: foo}\nlocal-only: {local: false}\n', '- node: foo\n');
  });

  it('needs neither certificate nor key for a tls-client', async () => {
    const { items } = await read('tls-clients: [{name: a, rootcas: ca.crt}]\n');
    expect(items[0]).toMatchObject({ section: 'tls-client', settings: { name: 'a', cert: '', key: '' } });
  });

  it('passes over what it does not know with a warning, and says what was probably meant', async () => {
    const { items, warnings } = await read(
      'version: 2\nnode: {id: foo, iid: x}\ntcp-listener:\n  - port: 1\nfrobnicate: {}\n5: 6\n',
    );
    expect(items).toHaveLength(1);
    expect(warnings).toEqual([
      'field iid not defined for command node: unknown field name iid (DIR/foo.yml:2:17), did you mean "id"?; ignored',
      'unknown key tcp-listener (DIR/foo.yml:3:1), did you mean "tcp-listeners"?; ignored',
      'unknown key frobnicate (DIR/foo.yml:5:1); ignored',
      'unknown key 5 (DIR/foo.yml:6:1); ignored',
    ]);
  });

  it.each([
    [
      'version: 3\n',
      'version 3 of the configuration is not known; the map form is version 2 (DIR/foo.yml:1:1)',
    ],
    [
      'tcp-listeners: [{cost: 1}]\n',
      'error in tcp-listener: required parameter missing: port (DIR/foo.yml:1:17)',
    ],
    [
      'tcp-listeners:\n  - port: x\n',
      'error setting field port in command tcp-listener: strconv.ParseInt: parsing "x": invalid syntax (DIR/foo.yml:2:11)',
    ],
    ['node: [{id: foo}]\n', 'invalid config format for node (DIR/foo.yml:1:7)'],
    ['work-commands: 5\n', 'invalid config format for work-command (DIR/foo.yml:1:16)'],
  ])('is refused: %j', async (text, message) => {
    await expect(read(text)).rejects.toThrow(
      `error loading config file: ${message.replace('DIR', directory)}`,
    );
  });
});
