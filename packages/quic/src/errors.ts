/** Every code of a {@link QuicError}, with what it means. */
export const QUIC_ERROR_CODES = {
  QUIC_INVALID: 'An argument or an option is not valid; the message says which.',
  QUIC_ABORTED: 'The operation was cancelled by its AbortSignal.',
  QUIC_CLOSED: 'The connection, stream or endpoint was closed on this side.',
  QUIC_CLOSED_BY_PEER: 'The peer closed the connection, with `applicationCode` and a reason.',
  QUIC_TLS: 'The TLS handshake failed, with the alert in `alert`; the message and the cause say why.',
  QUIC_TRANSPORT: 'The connection failed with the QUIC error in `transportCode`.',
  QUIC_IDLE_TIMEOUT: 'Nothing was heard from the peer within the idle timeout.',
  QUIC_HANDSHAKE_TIMEOUT: 'The handshake did not complete in time.',
  QUIC_STATELESS_RESET: 'The peer does not know the connection (any more).',
  QUIC_VERSION: 'The peer speaks no version of QUIC that is spoken here.',
  QUIC_STREAM_RESET: 'The peer gave up sending on the stream, with `applicationCode`.',
  QUIC_STREAM_STOPPED: 'The peer wants no more of what is written to the stream, with `applicationCode`.',
  QUIC_LIMIT: 'A limit of this side was reached.',
  QUIC_INTERNAL: 'The QUIC engine failed. Its connections have ended; new ones work.',
} as const;

/** A stable identifier of what went wrong; one of the keys of {@link QUIC_ERROR_CODES}. */
export type QuicErrorCode = keyof typeof QUIC_ERROR_CODES;

/** What a {@link QuicError} tells besides its code and message. */
export interface QuicErrorDetails {
  /** The code that the peer's application gave. */
  applicationCode?: number;
  /** The reason that the peer's application gave. */
  reason?: string;
  /** The QUIC transport error (RFC 9000, section 20.1). */
  transportCode?: number;
  /** The TLS alert (RFC 8446, section 6), as in 42 for bad_certificate. */
  alert?: number;
  /** What was underneath it. */
  cause?: unknown;
}

/** The one error class of this package: a stable {@link QuicErrorCode}, and a message in the words of quic-go. */
export class QuicError extends Error {
  override readonly name = 'QuicError';
  readonly code: QuicErrorCode;
  readonly applicationCode: number | undefined;
  readonly reason: string | undefined;
  readonly transportCode: number | undefined;
  readonly alert: number | undefined;

  constructor(code: QuicErrorCode, message: string, details: QuicErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.applicationCode = details.applicationCode;
    this.reason = details.reason;
    this.transportCode = details.transportCode;
    this.alert = details.alert;
  }
}

/** The TLS alerts with which a certificate can be refused. */
export const CERTIFICATE_ALERTS = {
  bad_certificate: 42,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  unknown_ca: 48,
  access_denied: 49,
} as const;

/** Why a certificate is refused, for the peer to know; one of the keys of {@link CERTIFICATE_ALERTS}. */
export type CertificateAlert = keyof typeof CERTIFICATE_ALERTS;

/** Thrown by a {@link VerifyPeer} to refuse the peer's certificate: the reason for this side, the alert for the peer. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';
  readonly alert: CertificateAlert;

  constructor(reason: string, alert: CertificateAlert = 'bad_certificate', options?: { cause?: unknown }) {
    super(reason, options);
    this.alert = alert;
  }
}

/** The error of an AbortSignal. */
export function aborted(signal: AbortSignal): QuicError {
  return new QuicError('QUIC_ABORTED', 'the operation was aborted', { cause: signal.reason });
}

const TRANSPORT_CODES: Record<number, string> = {
  0: 'NO_ERROR',
  1: 'INTERNAL_ERROR',
  2: 'CONNECTION_REFUSED',
  3: 'FLOW_CONTROL_ERROR',
  4: 'STREAM_LIMIT_ERROR',
  5: 'STREAM_STATE_ERROR',
  6: 'FINAL_SIZE_ERROR',
  7: 'FRAME_ENCODING_ERROR',
  8: 'TRANSPORT_PARAMETER_ERROR',
  9: 'CONNECTION_ID_LIMIT_ERROR',
  10: 'PROTOCOL_VIOLATION',
  11: 'INVALID_TOKEN',
  12: 'APPLICATION_ERROR',
  13: 'CRYPTO_BUFFER_EXCEEDED',
  14: 'KEY_UPDATE_ERROR',
  15: 'AEAD_LIMIT_REACHED',
  16: 'NO_VIABLE_PATH',
};

/** What quic-go says of an alert that came without a reason. */
const ALERTS: Record<number, string> = {
  10: 'unexpected message',
  20: 'bad record MAC',
  40: 'handshake failure',
  42: 'bad certificate',
  43: 'unsupported certificate',
  44: 'revoked certificate',
  45: 'expired certificate',
  46: 'unknown certificate',
  47: 'illegal parameter',
  48: 'unknown certificate authority',
  49: 'access denied',
  50: 'error decoding message',
  51: 'error decrypting message',
  70: 'protocol version not supported',
  71: 'insufficient security level',
  80: 'internal error',
  109: 'missing extension',
  110: 'unsupported extension',
  112: 'unrecognized name',
  116: 'certificate required',
  120: 'no application protocol',
};

/** The kinds of loss that the engine tells; see `put_loss` in crate/src/connection.rs. */
const LOSS = { application: 1, remote: 2, local: 3, timeout: 4, reset: 5, version: 6 } as const;

/** How a connection was lost, as an error. `refusal` is why this side refused the peer's certificate, if it did. */
export function connectionLost(
  loss: number,
  code: number,
  reason: string,
  handshaking: boolean,
  refusal?: Error,
): QuicError {
  switch (loss) {
    case LOSS.application:
      return new QuicError(
        'QUIC_CLOSED_BY_PEER',
        `Application error 0x${code.toString(16)} (remote)${reason === '' ? '' : `: ${reason}`}`,
        { applicationCode: code, reason },
      );
    case LOSS.remote:
    case LOSS.local:
      return transportError(loss === LOSS.local ? 'local' : 'remote', code, reason, refusal);
    case LOSS.timeout:
      return handshaking
        ? new QuicError('QUIC_HANDSHAKE_TIMEOUT', 'timeout: no recent network activity')
        : new QuicError('QUIC_IDLE_TIMEOUT', 'timeout: no recent network activity');
    case LOSS.reset:
      return new QuicError('QUIC_STATELESS_RESET', 'received a stateless reset');
    case LOSS.version:
      return new QuicError('QUIC_VERSION', 'no compatible QUIC version found');
    default:
      return new QuicError('QUIC_INTERNAL', `the connection ended in an unexpected way (${loss})`);
  }
}

function transportError(side: 'local' | 'remote', code: number, reason: string, refusal?: Error): QuicError {
  const tls = code >= 0x100 && code < 0x200;
  const alert = tls ? ALERTS[code - 0x100] : undefined;
  const text = (side === 'local' && refusal?.message) || reason || (alert ? `tls: ${alert}` : '');
  const tail = text === '' ? '' : `: ${text}`;
  if (tls) {
    return new QuicError('QUIC_TLS', `CRYPTO_ERROR 0x${code.toString(16)} (${side})${tail}`, {
      transportCode: code,
      alert: code - 0x100,
      reason,
      ...(refusal ? { cause: refusal } : {}),
    });
  }
  const name = TRANSPORT_CODES[code] ?? `unknown error code 0x${code.toString(16)}`;
  return new QuicError('QUIC_TRANSPORT', `${name} (${side})${tail}`, { transportCode: code, reason });
}
