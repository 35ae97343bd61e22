import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { checkItems } from '../../src/config/item.js';
import { loadTlsProfiles } from '../../src/tls-profiles.js';
import { Authority, CertificateFiles } from './certificate-files.js';

const files = new CertificateFiles();
beforeAll(async () => {
  const authority = await Authority.create();
  files.write('ca.crt', authority.pem);
  files.write('empty.txt', 'nothing\n');
  await files.pair('foo', authority, { nodeIds: ['foo', 'foo2'] });
  await files.pair('bar', authority, { nodeIds: ['bar', 'bar2'] });
  await files.pair('plain', authority, {});
  await files.pair('rsa', authority, { nodeIds: ['foo'], algorithm: 'rsa' });
});
afterAll(() => rmSync(files.directory, { recursive: true }));

/** Loads one section; `@` before a name stands for the directory of the files. */
async function load(section: string, ...settings: string[]) {
  const args = settings.map((setting) => setting.replace('@', `${files.directory}/`));
  const request = await parseArguments(['--node', 'foo', `--${section}`, ...args]);
  if (request.ask !== 'run') throw new Error(request.ask);
  checkItems(request.items);
  return loadTlsProfiles(request.items, 'foo');
}

describe('what is wrong with TLS settings is said at the start, in the words of Go', () => {
  const server = 'error preparing tls server config: ';
  const client = 'error preparing tls client config: ';
  it.each<[string, string[], string]>([
    ['tls-server', ['name=', 'cert=@foo.crt', 'key=@foo.key'], 'must provide a name'],
    ['tls-client', ['name=', 'cert=', 'key='], 'must provide a name'],
    ['tls-server', ['name=a', 'cert=@no', 'key=@foo.key'], `${server}open DIR/no: no such file or directory`],
    ['tls-server', ['name=a', 'cert=@foo.crt', 'key=@no'], `${server}open DIR/no: no such file or directory`],
    ['tls-server', ['name=a', 'cert=@', 'key=@foo.key'], `${server}read DIR/: is a directory`],
    [
      'tls-server',
      ['name=a', 'cert=@foo.crt', 'key=@bar.key'],
      `${server}tls: private key does not match public key`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@rsa.crt', 'key=@foo.key'],
      `${server}tls: private key type does not match public key type`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@foo.key', 'key=@foo.key'],
      `${server}tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@empty.txt', 'key=@foo.key'],
      `${server}tls: failed to find any PEM data in certificate input`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@foo.crt', 'key=@empty.txt'],
      `${server}tls: failed to find any PEM data in key input`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@foo.crt', 'key=@foo.crt'],
      `${server}tls: found a certificate rather than a key in the PEM for the private key`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@bar.crt', 'key=@bar.key'],
      `${server}nodeID=foo not found in certificate name(s); names found=[bar bar2]; cfg section=a; server cert=DIR/bar.crt`,
    ],
    [
      'tls-client',
      ['name=a', 'cert=@plain.crt', 'key=@plain.key'],
      `${client}nodeID=foo not found in certificate name(s); names found=[]; cfg section=a; server cert=DIR/plain.crt`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@foo.crt', 'key=@foo.key', 'clientcas=@no'],
      `${server}error reading client CAs file: open DIR/no: no such file or directory`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@foo.crt', 'key=@foo.key', 'clientcas=@empty.txt'],
      `${server}error reading client CAs file: there is no certificate in DIR/empty.txt`,
    ],
    [
      'tls-server',
      ['name=a', 'cert=@foo.crt', 'key=@foo.key', 'pinnedclientcert=zz'],
      `${server}error decoding fingerprints: error decoding fingerprint`,
    ],
    [
      'tls-client',
      ['name=a', 'cert=', 'key=', 'pinnedservercert=aa:bb'],
      `${client}error decoding fingerprints: fingerprints must be 32 or 64 bytes for sha256 or sha512`,
    ],
    [
      'tls-client',
      ['name=a', 'cert=', 'key=', 'rootcas=@no'],
      `${client}error reading root CAs file: open DIR/no: no such file or directory`,
    ],
    ['tls-client', ['name=a', 'cert=@no', 'key=@no'], `${client}open DIR/no: no such file or directory`],
    [
      'tls-client',
      ['name=a', 'cert=@foo.crt', 'key='],
      `${client}cert and key must both be supplied or neither`,
    ],
  ])('%s %j', async (section, settings, text) => {
    await expect(load(section, ...settings)).rejects.toMatchObject({
      code: 'RECEPTOR_CONFIG_INVALID',
      message: text.replaceAll('DIR', files.directory),
    });
  });
});

describe('TLS settings that are right', () => {
  it('are there by their names', async () => {
    const { servers } = await load(
      'tls-server',
      'name=a',
      'cert=@foo.crt',
      'key=@foo.key',
      'clientcas=@ca.crt',
    );
    expect([...servers.keys()]).toEqual(['a']);
    const { clients } = await load('tls-client', 'name=b', 'cert=', 'key=', 'rootcas=@ca.crt');
    expect([...clients.keys()]).toEqual(['b']);
  });

  it('may be for another node where the check is left out', async () => {
    const { servers } = await load(
      'tls-server',
      ...['name=a', 'cert=@bar.crt', 'key=@bar.key', 'skipreceptornamescheck=true'],
    );
    expect(servers.get('a')?.nodeIds).toEqual(['bar', 'bar2']);
  });
});
