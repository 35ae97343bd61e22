//! ChaCha20-Poly1305 for packets: ring's for small ones, node:crypto's for large ones, where a call out of WebAssembly costs less than it saves.

use rustls::crypto::cipher::{AeadKey, Iv, NONCE_LEN, Nonce};
use rustls::quic::{Algorithm, HeaderProtectionKey, PacketKey, Tag};
use rustls::{Error, Tls13CipherSuite};

mod host {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        /// Encrypts in place and writes the tag; 1 if that went well.
        pub fn seal(
            key: *const u8,
            nonce: *const u8,
            header: *const u8,
            header_length: usize,
            payload: *mut u8,
            length: usize,
            tag: *mut u8,
        ) -> u32;
        /// Decrypts in place; 1 if the tag is right.
        pub fn unseal(
            key: *const u8,
            nonce: *const u8,
            header: *const u8,
            header_length: usize,
            payload: *mut u8,
            length: usize,
            tag: *const u8,
        ) -> u32;
    }
}

/// Payloads from this size on are node:crypto's; at half of it both cost the same.
const LARGE: usize = 8192;
const KEY: usize = 32;
const TAG: usize = 16;

/// The suite with this algorithm in place of its own.
pub fn suite(ring: &'static Tls13CipherSuite) -> Option<&'static Tls13CipherSuite> {
    let algorithm: &'static ChaCha20 = Box::leak(Box::new(ChaCha20 { ring: ring.quic? }));
    Some(Box::leak(Box::new(Tls13CipherSuite {
        common: rustls::crypto::CipherSuiteCommon {
            suite: ring.common.suite,
            hash_provider: ring.common.hash_provider,
            confidentiality_limit: ring.common.confidentiality_limit,
        },
        hkdf_provider: ring.hkdf_provider,
        aead_alg: ring.aead_alg,
        quic: Some(algorithm),
    })))
}

struct ChaCha20 {
    ring: &'static dyn Algorithm,
}

impl Algorithm for ChaCha20 {
    fn packet_key(&self, key: AeadKey, iv: Iv) -> Box<dyn PacketKey> {
        let mut bytes = [0; KEY];
        bytes.copy_from_slice(key.as_ref());
        let mut start = [0; NONCE_LEN];
        start.copy_from_slice(iv.as_ref());
        Box::new(Key { key: bytes, iv: Iv::from(start), ring: self.ring.packet_key(key, iv) })
    }

    fn header_protection_key(&self, key: AeadKey) -> Box<dyn HeaderProtectionKey> {
        self.ring.header_protection_key(key)
    }

    fn aead_key_len(&self) -> usize {
        KEY
    }
}

struct Key {
    key: [u8; KEY],
    iv: Iv,
    ring: Box<dyn PacketKey>,
}

impl PacketKey for Key {
    fn encrypt_in_place(&self, number: u64, header: &[u8], payload: &mut [u8]) -> Result<Tag, Error> {
        if payload.len() < LARGE {
            return self.ring.encrypt_in_place(number, header, payload);
        }
        let nonce = Nonce::new(&self.iv, number).0;
        let mut tag = [0; TAG];
        let done = unsafe {
            host::seal(
                self.key.as_ptr(),
                nonce.as_ptr(),
                header.as_ptr(),
                header.len(),
                payload.as_mut_ptr(),
                payload.len(),
                tag.as_mut_ptr(),
            )
        };
        if done == 1 { Ok(Tag::from(&tag[..])) } else { Err(Error::EncryptError) }
    }

    fn decrypt_in_place<'a>(
        &self,
        number: u64,
        header: &[u8],
        payload: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        if payload.len() < LARGE {
            return self.ring.decrypt_in_place(number, header, payload);
        }
        let (payload, tag) = payload.split_at_mut(payload.len() - TAG);
        let nonce = Nonce::new(&self.iv, number).0;
        let done = unsafe {
            host::unseal(
                self.key.as_ptr(),
                nonce.as_ptr(),
                header.as_ptr(),
                header.len(),
                payload.as_mut_ptr(),
                payload.len(),
                tag.as_ptr(),
            )
        };
        if done == 1 { Ok(payload) } else { Err(Error::DecryptError) }
    }

    fn tag_len(&self) -> usize {
        TAG
    }

    fn confidentiality_limit(&self) -> u64 {
        self.ring.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.ring.integrity_limit()
    }
}
