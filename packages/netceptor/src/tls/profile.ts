import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import {
  type ConnectionOptions,
  checkServerIdentity,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import { MeshError } from '../errors.js';
import { findChainProblem, parseCertificates, Usage } from './chain.js';
import { isPinned, parseFingerprints } from './fingerprints.js';
import type { Identity } from './insecure.js';
import { nodeIdsOf } from './node-ids.js';

/** What both kinds of TLS settings have. */
interface CommonOptions {
  /** The certificate, and those on the way to its root, as PEM. */
  readonly cert?: string;
  /** Its private key as PEM. */
  readonly key?: string;
  /** TLS 1.3 only. */
  readonly minTls13?: boolean;
}

/** TLS of a side that is connected to (reference: mesh, 6.1). */
export interface TlsServerOptions extends CommonOptions {
  readonly cert: string;
  readonly key: string;
  /** Callers have to show a certificate; on a mesh service one for the node that they call from. */
  readonly requireClientCert?: boolean;
  /** Who may have signed the certificates of callers, as PEM; the roots of the system when left out. */
  readonly clientCas?: string;
  /** Fingerprints of the only certificates that callers may show. */
  readonly pinnedClientCert?: readonly string[];
}

/** TLS of a side that connects (reference: mesh, 6.1). */
export interface TlsClientOptions extends CommonOptions {
  /** Who may have signed the other side's certificate, as PEM; the roots of the system when left out. */
  readonly rootCas?: string;
  /** Fingerprints of the only certificates that the other side may show. */
  readonly pinnedServerCert?: readonly string[];
  /** Take whatever the other side shows. */
  readonly insecureSkipVerify?: boolean;
}

/** A refusal of the other side's certificate, with the TLS alert that tells it. */
export interface Refusal {
  readonly text: string;
  readonly alert: 'bad_certificate' | 'certificate_expired' | 'unknown_ca';
}

/** Options for a listening socket of node:tls, and what there is to check when a caller has come through. */
export interface TlsListenerOptions extends TlsOptions {
  /** Why a caller is not wanted, after its handshake; undefined when it is. */
  readonly refusePeer?: (certificate: Buffer | undefined) => string | undefined;
  /** Has `act` called with other certificates whenever there are; returns how to call that off. */
  readonly onRenewed?: (act: (context: SecureContextOptions) => void) => () => void;
}

/** Tells who uses a profile that it has other certificates now. */
class Renewals {
  readonly #acts = new Set<() => void>();

  add(act: () => void): () => void {
    this.#acts.add(act);
    return () => this.#acts.delete(act);
  }

  tell(): void {
    for (const act of [...this.#acts]) act();
  }
}

/** The suites of TLS 1.3, and those of 1.2 that a Go node takes. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
].join(':');

function versions(minTls13: boolean | undefined): SecureContextOptions {
  return minTls13
    ? { minVersion: 'TLSv1.3' }
    : { minVersion: 'TLSv1.2', ciphers: CIPHERS, ecdhCurve: 'P-521:P-384:P-256' };
}

const isPem = (text: string): boolean => text.includes('-----BEGIN ');

/** Reads a certificate and its key; what is wrong with them is said in the words of Go. */
function readIdentity(cert: string, key: string): { identity: Identity; leaf: X509Certificate } {
  const unusable = (text: string, cause?: unknown) =>
    new MeshError('RECEPTOR_MESH_TLS', `tls: ${text}`, { cause });
  const chain = parseCertificates(cert);
  const [leaf] = chain;
  if (!leaf)
    throw unusable(
      /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(cert)
        ? 'failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
        : `failed to find ${isPem(cert) ? '"CERTIFICATE" PEM block' : 'any PEM data'} in certificate input`,
    );
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    if (!isPem(key)) throw unusable('failed to find any PEM data in key input');
    throw unusable(
      key.includes('-----BEGIN CERTIFICATE-----')
        ? 'found a certificate rather than a key in the PEM for the private key'
        : 'failed to parse private key',
      error,
    );
  }
  if (!leaf.checkPrivateKey(privateKey))
    throw unusable(
      leaf.publicKey.asymmetricKeyType === privateKey.asymmetricKeyType
        ? 'private key does not match public key'
        : 'private key type does not match public key type',
    );
  return { identity: { chain: chain.map(({ raw }) => raw), key: privateKey }, leaf };
}

/** TLS settings of a side that is connected to: a listener of a backend, or a service of the mesh. */
export class TlsServerProfile {
  readonly #renewals = new Renewals();
  #identity: Identity;
  #nodeIds: readonly string[];
  #options: TlsServerOptions;
  #cas: readonly X509Certificate[] | undefined;
  #pins: readonly Buffer[];

  /** @throws MeshError `RECEPTOR_MESH_TLS` when certificate or key are unusable, `RECEPTOR_MESH_OPTIONS` for bad fingerprints */
  constructor(options: TlsServerOptions) {
    const { identity, leaf } = readIdentity(options.cert, options.key);
    this.#identity = identity;
    this.#nodeIds = nodeIdsOf(leaf);
    this.#options = options;
    this.#cas = options.clientCas === undefined ? undefined : parseCertificates(options.clientCas);
    this.#pins = parseFingerprints(options.pinnedClientCert ?? []);
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** The node IDs that the certificate is for. */
  get nodeIds(): readonly string[] {
    return this.#nodeIds;
  }

  /** Has what another profile says; who connects from now on is met with that. */
  renew(other: TlsServerProfile): void {
    this.#identity = other.#identity;
    this.#nodeIds = other.#nodeIds;
    this.#options = other.#options;
    this.#cas = other.#cas;
    this.#pins = other.#pins;
    this.#renewals.tell();
  }

  /** Calls `act` after each renewal; returns how to call that off. */
  onRenewed(act: () => void): () => void {
    return this.#renewals.add(act);
  }

  /** Whether callers have to show a certificate: also when there is only somebody named who signs them, as with Go. */
  get asksForCertificate(): boolean {
    return this.#options.requireClientCert === true || this.#cas !== undefined;
  }

  /** For a backend: callers are not asked which node they are. */
  listenerOptions(): TlsListenerOptions {
    const asks = this.asksForCertificate;
    return {
      ...this.#context(),
      requestCert: asks,
      rejectUnauthorized: asks,
      refusePeer: (certificate) =>
        asks && !(certificate && isPinned(certificate, this.#pins)) ? PIN_MISMATCH : undefined,
      onRenewed: (act) => this.onRenewed(() => act(this.#context())),
    };
  }

  #context(): SecureContextOptions {
    const { cert, key, minTls13, clientCas } = this.#options;
    return { cert, key, ...versions(minTls13), ...(clientCas === undefined ? {} : { ca: clientCas }) };
  }

  /** For a service of the mesh: why the certificate of a caller from that node is refused, or undefined. */
  refuseCaller(chain: readonly X509Certificate[], node: string, now: number): Refusal | undefined {
    const problem = findChainProblem(chain, this.#cas, Usage.client, now);
    const [leaf] = chain;
    if (problem || !leaf) return problem;
    if (!isPinned(leaf.raw, this.#pins)) return { text: PIN_MISMATCH, alert: 'bad_certificate' };
    return this.#options.requireClientCert ? refuseName(leaf, node) : undefined;
  }
}

/** TLS settings of a side that connects: a dialler of a backend, or a stream to a service of the mesh. */
export class TlsClientProfile {
  #identity: Identity | undefined;
  #nodeIds: readonly string[] | undefined;
  #options: TlsClientOptions;
  #cas: readonly X509Certificate[] | undefined;
  #pins: readonly Buffer[];

  /** @throws MeshError `RECEPTOR_MESH_TLS` when certificate or key are unusable, `RECEPTOR_MESH_OPTIONS` for bad settings */
  constructor(options: TlsClientOptions = {}) {
    const { cert = '', key = '' } = options;
    if ((cert === '') !== (key === ''))
      throw new MeshError('RECEPTOR_MESH_OPTIONS', 'cert and key must both be supplied or neither');
    if (cert !== '') {
      const { identity, leaf } = readIdentity(cert, key);
      this.#identity = identity;
      this.#nodeIds = nodeIdsOf(leaf);
    }
    this.#options = options;
    this.#cas = options.rootCas === undefined ? undefined : parseCertificates(options.rootCas);
    this.#pins = parseFingerprints(options.pinnedServerCert ?? []);
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** The node IDs that the own certificate is for; undefined when there is none. */
  get nodeIds(): readonly string[] | undefined {
    return this.#nodeIds;
  }

  /** Has what another profile says, for all connections from now on. */
  renew(other: TlsClientProfile): void {
    this.#identity = other.#identity;
    this.#nodeIds = other.#nodeIds;
    this.#options = other.#options;
    this.#cas = other.#cas;
    this.#pins = other.#pins;
  }

  /** For a backend: the other side has to be the host that was dialled. */
  diallerOptions(): ConnectionOptions {
    const { cert = '', key = '', minTls13, rootCas, insecureSkipVerify = false } = this.#options;
    return {
      ...(cert === '' ? {} : { cert, key }),
      ...versions(minTls13),
      ...(rootCas === undefined ? {} : { ca: rootCas }),
      rejectUnauthorized: !insecureSkipVerify,
      checkServerIdentity: (host, peer) =>
        isPinned(peer.raw, this.#pins) ? checkServerIdentity(host, peer) : new Error(PIN_MISMATCH),
    };
  }

  /** For a service of the mesh: why its certificate is refused, or undefined. */
  refuseService(chain: readonly X509Certificate[], node: string, now: number): Refusal | undefined {
    if (this.#options.insecureSkipVerify) return undefined;
    const [leaf] = chain;
    if (leaf && !isPinned(leaf.raw, this.#pins)) return { text: PIN_MISMATCH, alert: 'bad_certificate' };
    const problem = findChainProblem(chain, this.#cas, Usage.server, now);
    // A Go node that calls tells every refusal with this alert; clients know the number of it.
    if (problem || !leaf) return problem && { ...problem, alert: 'bad_certificate' };
    return refuseName(leaf, node);
  }
}

const PIN_MISMATCH = 'RVF failed: presented certificate does not match any pinned fingerprint';

function refuseName(leaf: X509Certificate, node: string): Refusal | undefined {
  const names = nodeIdsOf(leaf);
  if (names.includes(node)) return undefined;
  const text =
    names.length === 0
      ? `x509: certificate is not valid for any Receptor node IDs, but wanted to match ${node}`
      : `x509: certificate is valid for Receptor node ID${names.length > 1 ? 's' : ''} ${names.join(', ')}, not ${node}`;
  return { text, alert: 'bad_certificate' };
}

/**
 * Checks that a node's own certificate is for the node; a setting of the daemon leaves it out.
 * @throws MeshError `RECEPTOR_MESH_TLS` in the words of the Go daemon
 */
export function checkOwnNodeId(profile: TlsServerProfile | TlsClientProfile, nodeId: string): void {
  const { nodeIds } = profile;
  if (nodeIds === undefined || nodeIds.includes(nodeId)) return;
  throw new MeshError(
    'RECEPTOR_MESH_TLS',
    `nodeID=${nodeId} not found in certificate name(s); names found=[${nodeIds.join(' ')}]`,
  );
}
