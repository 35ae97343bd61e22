//! TLS whose certificates are judged, and whose keys are held, by the host: rustls asks it in the midst of the handshake.

use crate::aead;
use crate::settings::Reader;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::quic::Suite;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureAlgorithm, SignatureScheme,
    SupportedCipherSuite,
};
use std::cell::Cell;
use std::sync::Arc;

mod host {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        /// 0, or the number of the TLS alert with which the chain (each certificate after its length) is refused.
        pub fn verify_chain(connection: usize, chain: *const u8, length: usize) -> u32;
        /// 1 if the certificate's key made the signature.
        pub fn verify_signature(
            scheme: u32,
            certificate: *const u8,
            certificate_length: usize,
            message: *const u8,
            message_length: usize,
            signature: *const u8,
            signature_length: usize,
        ) -> u32;
        /// Signs with the identity's key; the signature's length, or -1.
        pub fn sign(
            identity: u32,
            scheme: u32,
            message: *const u8,
            message_length: usize,
            signature: *mut u8,
            capacity: usize,
        ) -> i32;
    }
}

thread_local! {
    /// The connection that is being handled, for the host to know whose certificate it judges.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

pub fn set_current(connection: usize) {
    CURRENT.set(connection);
}

/// How a handshake can be signed, the peer's first choice first. The last ones can sign certificates only.
const SCHEMES: [SignatureScheme; 11] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

#[derive(Debug)]
struct Verifier {
    /// Whether a client is asked for a certificate, and whether it must have one.
    ask: bool,
    require: bool,
}

fn verify_chain(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<(), Error> {
    let mut chain = Vec::new();
    for certificate in std::iter::once(end_entity).chain(intermediates) {
        chain.extend_from_slice(&(certificate.len() as u32).to_le_bytes());
        chain.extend_from_slice(certificate);
    }
    // rustls chooses the alert by the kind of error.
    let error = match unsafe { host::verify_chain(CURRENT.get(), chain.as_ptr(), chain.len()) } {
        0 => return Ok(()),
        42 => CertificateError::NotValidForName,
        44 => CertificateError::Revoked,
        45 => CertificateError::Expired,
        48 => CertificateError::UnknownIssuer,
        49 => CertificateError::ApplicationVerificationFailure,
        _ => CertificateError::Other(rustls::OtherError(Arc::new(std::fmt::Error))),
    };
    Err(error.into())
}

fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let signature = signed.signature();
    let valid = unsafe {
        host::verify_signature(
            u16::from(signed.scheme).into(),
            certificate.as_ptr(),
            certificate.len(),
            message.as_ptr(),
            message.len(),
            signature.as_ptr(),
            signature.len(),
        )
    };
    match valid {
        1 => Ok(HandshakeSignatureValid::assertion()),
        _ => Err(CertificateError::BadSignature.into()),
    }
}

fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("QUIC has no TLS 1.2".into()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_chain(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.ask
    }

    fn client_auth_mandatory(&self) -> bool {
        self.require
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        verify_chain(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// A private key that stays with the host: its number there, and how it can sign.
#[derive(Clone, Debug)]
struct HostKey {
    identity: u32,
    schemes: Vec<SignatureScheme>,
}

#[derive(Debug)]
struct HostSigner {
    identity: u32,
    scheme: SignatureScheme,
}

impl SigningKey for HostKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(HostSigner { identity: self.identity, scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        // Only TLS 1.2 asks.
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for HostSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; 2048];
        let length = unsafe {
            host::sign(
                self.identity,
                u16::from(self.scheme).into(),
                message.as_ptr(),
                message.len(),
                signature.as_mut_ptr(),
                signature.len(),
            )
        };
        match usize::try_from(length) {
            Ok(length) => {
                signature.truncate(length);
                Ok(signature)
            }
            Err(_) => Err(Error::General("the private key cannot sign".into())),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

thread_local! {
    /// ChaCha20 first: in WebAssembly it is several times as fast as AES.
    static PROVIDER: Arc<CryptoProvider> = {
        let mut provider = ring::default_provider();
        let chacha = ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
        provider.cipher_suites = vec![
            chacha.tls13().and_then(aead::suite).map_or(chacha, SupportedCipherSuite::Tls13),
            ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
            ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
        ];
        Arc::new(provider)
    };
}

fn provider() -> Arc<CryptoProvider> {
    PROVIDER.with(Arc::clone)
}

fn initial() -> Suite {
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    suite.and_then(|suite| suite.quic_suite()).expect("ring has the suite of QUIC's first packets")
}

/// Reads: number of the identity, schemes of its key, its chain. An empty chain is no identity.
fn identity(reader: &mut Reader<'_>) -> Option<Arc<SingleCertAndKey>> {
    let identity = reader.word();
    let schemes = reader.words().into_iter().map(|scheme| SignatureScheme::from(scheme as u16)).collect();
    let chain: Vec<_> = reader.list().into_iter().map(CertificateDer::from).collect();
    let key = CertifiedKey::new(chain, Arc::new(HostKey { identity, schemes }));
    (!key.cert.is_empty()).then(|| Arc::new(SingleCertAndKey::from(key)))
}

/// Reads: protocols, identity, 1 to ask for a certificate or 2 to require one.
pub fn server(reader: &mut Reader<'_>) -> Result<QuicServerConfig, String> {
    let protocols = reader.list();
    let identity = identity(reader).ok_or("a server needs a certificate")?;
    let ask = reader.word();
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(Arc::new(Verifier { ask: ask > 0, require: ask > 1 }))
        .with_cert_resolver(identity);
    config.alpn_protocols = protocols;
    config.ignore_client_order = true;
    // Without resumption every handshake shows its certificates.
    config.send_tls13_tickets = 0;
    QuicServerConfig::with_initial(Arc::new(config), initial()).map_err(|error| error.to_string())
}

/// Reads: protocols, identity, server name. Gives the configuration and a name that is valid.
pub fn client(reader: &mut Reader<'_>) -> Result<(QuicClientConfig, String), String> {
    let protocols = reader.list();
    let identity = identity(reader);
    let wanted = reader.text();
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { ask: true, require: true }));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols;
    config.resumption = Resumption::disabled();
    config.enable_sni = !wanted.is_empty();
    let name = match ServerName::try_from(wanted.as_str()) {
        Ok(_) => wanted,
        Err(_) => "name.invalid".into(),
    };
    let config = QuicClientConfig::with_initial(Arc::new(config), initial()).map_err(|error| error.to_string())?;
    Ok((config, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::cipher::{AeadKey, Iv};

    // The host's callbacks, which a test outside WebAssembly has not.
    #[unsafe(no_mangle)]
    extern "C" fn verify_chain(_: usize, _: *const u8, _: usize) -> u32 {
        unreachable!()
    }
    #[unsafe(no_mangle)]
    extern "C" fn verify_signature(
        _: u32,
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
    ) -> u32 {
        unreachable!()
    }
    #[unsafe(no_mangle)]
    extern "C" fn sign(_: u32, _: u32, _: *const u8, _: usize, _: *mut u8, _: usize) -> i32 {
        unreachable!()
    }

    #[unsafe(no_mangle)]
    extern "C" fn seal(
        _: *const u8,
        _: *const u8,
        _: *const u8,
        _: usize,
        _: *mut u8,
        _: usize,
        _: *mut u8,
    ) -> u32 {
        unreachable!()
    }
    #[unsafe(no_mangle)]
    extern "C" fn unseal(
        _: *const u8,
        _: *const u8,
        _: *const u8,
        _: usize,
        _: *mut u8,
        _: usize,
        _: *const u8,
    ) -> u32 {
        unreachable!()
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal"))
    }

    /// RFC 9001, appendix A.5.
    #[test]
    fn protects_a_short_header_packet_with_chacha20_as_the_rfc_does() {
        let suite = provider().cipher_suites[0].tls13().and_then(|suite| suite.quic_suite()).expect("a suite");
        let key = AeadKey::from(bytes("c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8"));
        let iv = Iv::from(bytes::<12>("e0459b3474bdd0e44a41c144"));
        let hp = AeadKey::from(bytes("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4"));
        let mut packet = bytes::<5>("4200bff401").to_vec();
        let (header, payload) = packet.split_at_mut(4);
        let packet_key = suite.quic.packet_key(key, iv);
        let tag = packet_key.encrypt_in_place(654_360_564, header, payload).expect("encrypts");
        packet.extend_from_slice(tag.as_ref());
        assert_eq!(packet[4..], bytes::<17>("655e5cd55c41f69080575d7999c25a5bfb"));
        let sample = packet[5..21].to_vec();
        let (first, rest) = packet.split_at_mut(1);
        let header_key = suite.quic.header_protection_key(hp);
        header_key.encrypt_in_place(&sample, &mut first[0], &mut rest[..3]).expect("encrypts");
        assert_eq!(packet[..], bytes::<21>("4cfe4189655e5cd55c41f69080575d7999c25a5bfb"));
    }
}
