//! The pool's public key, in the forms in which EC2 knows it.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A key that EC2 can import: RSA or Ed25519.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ImportableKey {
    /// In OpenSSH's form, without a comment.
    pub(crate) openssh: String,
    /// Every form of fingerprint by which EC2 may list it.
    pub(crate) fingerprints: Vec<String>,
    /// 16 hexadecimal digits that no other key has.
    pub(crate) short_name: String,
}

/// The kinds of key that EC2 imports: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-key-pairs.html>.
const ED25519: &str = "ssh-ed25519";
const RSA: &str = "ssh-rsa";

/// Reads a public key in OpenSSH's one-line form.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(line: &str) -> Result<ImportableKey, String> {
    let mut words = line.split_whitespace();
    let (Some(kind), Some(encoded)) = (words.next(), words.next()) else {
        return Err("must be in OpenSSH's form: ssh-ed25519 AAAA…".into());
    };
    if kind != ED25519 && kind != RSA {
        let kind: String = kind.chars().take(40).collect();
        return Err(format!("EC2 takes {ED25519} and {RSA} keys, not {kind:?}"));
    }
    let blob = STANDARD
        .decode(encoded)
        .or_else(|_| STANDARD_NO_PAD.decode(encoded))
        .map_err(|_| "the key is not base64".to_owned())?;
    let fields = fields(&blob).ok_or("the key is cut off")?;
    if fields.first() != Some(&kind.as_bytes()) {
        return Err(format!("says that it is {kind}, but holds another kind of key"));
    }
    let fingerprints = match (kind, &fields[1..]) {
        (ED25519, [point]) if point.len() == 32 => ed25519_fingerprints(&blob),
        (RSA, [exponent, modulus]) => rsa_fingerprints(&blob, exponent, modulus),
        _ => return Err(format!("is not a {kind} key")),
    };
    let short_name = hex(&Sha256::digest(&blob)[..8], "");
    Ok(ImportableKey { openssh: format!("{kind} {encoded}"), fingerprints, short_name })
}

/// The length-prefixed fields of a key (RFC 4253, section 6.6); none where they do not fill it exactly.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

/// "For ED25519 key pairs, the key fingerprint is the base64-encoded SHA-256 digest"
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_KeyPairInfo.html>): EC2 lists some with and some
/// without padding.
fn ed25519_fingerprints(blob: &[u8]) -> Vec<String> {
    let digest = Sha256::digest(blob);
    vec![STANDARD.encode(digest), STANDARD_NO_PAD.encode(digest)]
}

/// The same page says of imported RSA keys: "the MD5 public key fingerprint as specified in section 4 of RFC4716". What
/// EC2 lists is the MD5 of the key in DER form, as `openssl pkey -pubin -outform DER | openssl md5 -c` has it
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html>), in places its SHA-1. All are looked for.
fn rsa_fingerprints(blob: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<String> {
    let der = rsa_der(exponent, modulus);
    vec![hex(&Md5::digest(&der), ":"), hex(&Sha1::digest(&der), ":"), hex(&Md5::digest(blob), ":")]
}

/// A SubjectPublicKeyInfo (RFC 5280) that holds an RSAPublicKey (RFC 8017). SSH's multi-precision integers have the
/// same form as the contents of ASN.1's.
fn rsa_der(exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    const SEQUENCE: u8 = 0x30;
    /// rsaEncryption, 1.2.840.113549.1.1.1, with NULL parameters.
    const ALGORITHM: [u8; 13] =
        [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let numbers = [tlv(INTEGER, modulus), tlv(INTEGER, exponent)].concat();
    let no_unused_bits = [vec![0], tlv(SEQUENCE, &numbers)].concat();
    tlv(SEQUENCE, &[tlv(SEQUENCE, &ALGORITHM), tlv(BIT_STRING, &no_unused_bits)].concat())
}

/// Tag, length, value, in the distinguished encoding.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match value.len() {
        short @ 0..128 => out.push(short as u8),
        _ => {
            out.push(0x80 | length.len() as u8);
            out.extend(length);
        }
    }
    out.extend(value);
    out
}

fn hex(bytes: &[u8], separator: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen. The fingerprints are those that ssh-keygen -l and openssl show.
    const ED25519_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbJrOvrMFm+WyK8MktQMlUvrrV1Nio1K1tWSb6vVyso someone@host";
    const RSA_KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDTZgXoqht9DwN99sZ/i3SKk29AMKMPAd/K/EnTxjB7dGfBoo3oENfHzaSoV0fkp6ht\
         pJRhSsdcCkcxwfYvGbHA4dLkbW5c73dA5XSoiULU3pxw11mUZEQwe/Pm69ALqCHJiG1aGVMXsiZk8pbkMvWawHEUvnbdo9w4\
         +SdAkQQoxeAa8+GfRoyn9T694wPJ9GFFAApakQA3avQz5eWvx9kVcrxkeR60idV97ryeXEN7FPLRazi7RRHonbzCMh7zGFVt\
         8XuQV8tTupWmlOCq4Tl4KLeSSm3fU8hTZn7fxnzKLm2ImW9GNw9iA886ohgLkQOcbeEapnmFwglWzSxFmVcX";
    const ECDSA_KEY: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAJpNaBoKNNIcTpMXrH39HbGj11kYwYmSDfR4sPwLaS1\
         knh6+0qA5muGA97OlcDAvAYK+aQxLQ6G65dgw3MHqtU=";

    #[test]
    fn an_ed25519_key_has_openssh_s_fingerprint_with_and_without_padding() {
        let key = parse(ED25519_KEY).unwrap();
        let digest = "H7BxIS5tEcINSdX6M3c5PBCQ5k1ePSfX4aUEofQ63QQ";
        assert_eq!(key.fingerprints, [format!("{digest}="), digest.to_owned()]);
    }

    #[test]
    fn an_rsa_key_has_the_fingerprints_of_its_der_form_and_openssh_s() {
        let key = parse(RSA_KEY).unwrap();
        assert_eq!(
            key.fingerprints,
            [
                "9c:37:e9:c5:83:87:20:35:a0:32:8b:ca:37:50:2b:37",
                "3e:40:2b:6a:f9:81:61:50:d0:7b:63:82:b3:70:0a:f9:ec:5a:d3:88",
                "fb:db:cb:70:f2:92:53:f2:a3:78:51:86:22:01:02:68",
            ]
        );
    }

    #[test]
    fn the_comment_makes_no_other_key() {
        let words: Vec<&str> = ED25519_KEY.split(' ').collect();
        let bare = parse(&words[..2].join(" ")).unwrap();
        assert_eq!(bare, parse(ED25519_KEY).unwrap());
        assert!(!bare.openssh.contains("someone"));
        assert_ne!(bare.short_name, parse(RSA_KEY).unwrap().short_name);
    }

    #[test]
    fn other_kinds_and_broken_keys_are_refused() {
        let words: Vec<&str> = ED25519_KEY.split(' ').collect();
        let cases = [
            (ECDSA_KEY.to_owned(), "EC2 takes ssh-ed25519 and ssh-rsa"),
            (format!("ssh-rsa {}", words[1]), "holds another kind"),
            (format!("ssh-ed25519 {}", &words[1][..40]), "cut off"),
            ("ssh-ed25519 !!!!".to_owned(), "not base64"),
            ("ssh-ed25519".to_owned(), "OpenSSH's form"),
            (String::new(), "OpenSSH's form"),
        ];
        for (line, expected) in cases {
            let problem = parse(&line).unwrap_err();
            assert!(problem.contains(expected), "{line:?}: {problem}");
        }
    }
}
