import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, type Wanted } from '../../../netceptor/test/certificates.js';

export { Authority };

/** A directory with certificates and keys, each pair as `NAME.crt` and `NAME.key`. */
export class CertificateFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'receptor-tls-'));

  file(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.file(name), text, { mode: 0o600 });
    return this.file(name);
  }

  async pair(name: string, authority: Authority, wanted: Wanted): Promise<{ cert: string; key: string }> {
    const { cert, key } = await authority.sign(wanted);
    return { cert: this.write(`${name}.crt`, cert), key: this.write(`${name}.key`, key) };
  }
}
