//! Tokens, and what is kept of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Says to people, and to programs that look for lost secrets, what it is.
const PREFIX: &str = "poold_";
const RANDOM_BYTES: usize = 32;

/// A secret that says who asks. It is shown once, when it is made.
#[derive(Debug)]
pub(crate) struct Token(SecretString);

impl Token {
    /// A new one.
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; RANDOM_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into())
    }

    pub(crate) fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.reveal().as_bytes())
    }
}

/// The SHA-256 of a token. A token is 256 bits of chance, so nobody finds one by guessing, however fast the hash is: a slow
/// one would only make each request slow.
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Of what somebody says is a token.
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Takes the same time whether they are the same or not.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_by_its_digest_and_shown_by_nothing_else() {
        let mut rng = rand::rng();
        let (one, other) = (Token::draw(&mut rng), Token::draw(&mut rng));
        assert!(one.reveal().starts_with(PREFIX) && one.reveal().len() == PREFIX.len() + 43);
        assert_ne!(one.reveal(), other.reveal());
        let kept = Digest::from_hex(&one.digest().to_hex()).unwrap();
        assert!(kept.is(&Digest::of(one.reveal().as_bytes())) && !kept.is(&other.digest()));
        let shown = format!("{one:?} {:?}", one.digest());
        assert!(
            !shown.contains(&one.reveal()[PREFIX.len()..]) && !shown.contains(&one.digest().to_hex()),
            "{shown}"
        );
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
            assert!(Digest::from_hex(bad).is_none());
        }
    }
}
