//! The key that signs ID tokens, and what the world may know of it.
//!
//! Signed with the cryptography library itself and not with the JWT library that our own code verifies with: two
//! implementations that agree say more than one that agrees with itself. Made once per process, because finding primes
//! takes longer than most tests.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

static KEY: OnceLock<RsaKeyPair> = OnceLock::new();

fn key() -> &'static RsaKeyPair {
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("2048 bits is a size that the library makes"))
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn components() -> (String, String) {
    let public = key().public_key();
    (
        base64url(public.modulus().big_endian_without_leading_zero()),
        base64url(public.exponent().big_endian_without_leading_zero()),
    )
}

// The thumbprint of RFC 7638: the members in lexical order, without spaces.
fn key_id() -> String {
    let (n, e) = components();
    base64url(&Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)))
}

/// The set of keys a verifier fetches.
pub(super) fn jwks() -> Value {
    let (n, e) = components();
    json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": key_id(), "n": n, "e": e}]})
}

/// A compact JWS over these claims.
pub(super) fn sign(claims: &Value) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key_id()});
    let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let mut signature = vec![0; key().public_modulus_len()];
    key()
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("the buffer is as long as the modulus");
    format!("{signed}.{}", base64url(&signature))
}
