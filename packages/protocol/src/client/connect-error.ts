import type { Address } from '../address.js';
import { ReceptorError } from '../errors.js';

/** What Node's codes mean for a person who wants to reach a control service. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED$/, 'nothing accepts connections there'],
  [/^(?:ENOTFOUND|EAI_)/, 'the host name is not known'],
  [/^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'the host does not answer'],
  [/^(?:EACCES|EPERM)$/, 'permission denied'],
  [/^CERT_HAS_EXPIRED$/, "the server's certificate has expired"],
  [/^CERT_NOT_YET_VALID$/, "the server's certificate is not valid yet"],
  [
    /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/,
    "the server's certificate is not signed by a trusted authority (--rootcas)",
  ],
  [/^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, 'the server does not speak TLS there'],
  [/_ALERT_CERTIFICATE_REQUIRED$/, 'the server wants a certificate of the client (--cert and --key)'],
  [/_ALERT_(?:HANDSHAKE_FAILURE|PROTOCOL_VERSION)$/, 'the server refused the TLS handshake'],
  [/_ALERT_CERTIFICATE_EXPIRED$/, "the client's certificate has expired"],
  [
    /_ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_UNKNOWN)$/,
    "the server does not accept the client's certificate",
  ],
  [/^ERR_OSSL_X509_KEY_VALUES_MISMATCH$/, 'the key does not belong to the certificate'],
  [/^(?:ERR_OSSL_PEM_|ERR_OSSL_UNSUPPORTED)/, 'a certificate or key file has no PEM text that can be used'],
  [
    /^RECEPTOR_CONNECTION_LOST$/,
    'the server closed the connection at once; it may want another certificate (--cert and --key)',
  ],
];

interface Cause {
  code?: unknown;
  message?: unknown;
  host?: unknown;
  cert?: { subjectaltname?: unknown };
}

function reason(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null) return String(cause);
  const { code, message, host, cert } = cause as Cause;
  const name = String(code ?? '');
  if (name === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the server's certificate is for ${cert?.subjectaltname ?? 'nobody'}, not for ${host}`;
  const [, words] = REASONS.find(([pattern]) => pattern.test(name)) ?? [];
  return words ?? String(message);
}

/**
 * The error for an address that cannot be reached: the Python client's words, then why (reference: control, 9).
 * @param cause what Node says, or a ReceptorError of the greeting.
 */
export function connectError(address: Address, cause: unknown): ReceptorError {
  const what =
    address.kind === 'unix'
      ? `Could not connect to socket ${address.path}`
      : `Could not connect to host ${address.host} port ${address.port}`;
  return new ReceptorError('RECEPTOR_CONNECT_FAILED', `${what}: ${reason(cause)}`, { cause });
}
