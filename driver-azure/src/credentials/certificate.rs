//! Assertions: what a service principal with a certificate proves itself with.
//!
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>.

use super::TokenError;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use pool_api::DriverConfigError;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
    rsa, signature,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// "keep it short - 5-10 minutes after nbf at most".
const LIFE: Duration = Duration::from_secs(600);

/// A certificate and its key. `Debug` shows the public half of the key.
#[derive(Debug)]
pub(super) struct Certificate {
    key: rsa::KeyPair,
    /// Of the certificate: the SHA-256 of its DER, in base64url.
    thumbprint: String,
    random: SystemRandom,
}

impl Certificate {
    /// From a file with both in PEM.
    ///
    /// # Errors
    /// [`DriverConfigError`] when the file cannot be read, or they are not in it. It names the path, and shows nothing of
    /// what is in the file.
    pub(super) fn read(path: &Path) -> Result<Self, DriverConfigError> {
        let unusable = |problem: &str| {
            let problem = format!("{}: {problem}", path.display());
            DriverConfigError::new("credentials.client_certificate.certificate_file", problem)
        };
        let pem = fs::read(path).map_err(|error| unusable("cannot be read").because(error))?;
        // The parser's errors quote what they are about.
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| {
            unusable(
                "has no key in PKCS #8 without a password (BEGIN PRIVATE KEY): `openssl pkcs8 -topk8 -nocrypt` makes one",
            )
        })?;
        let key = rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|rejected| {
            unusable(&format!("its key is not an RSA key of 2048 to 4096 bits: {rejected}"))
        })?;
        // There may be others: those that ours was issued with. DER has one way to write a key, so ours has it as it is.
        let public = key.public().as_ref();
        let is_ours = |certificate: &CertificateDer<'_>| {
            certificate.windows(public.len()).any(|window| window == public)
        };
        let mut certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
        let certificate = certificates
            .find(is_ours)
            .ok_or_else(|| unusable("has no certificate (BEGIN CERTIFICATE) that the key belongs to"))?;
        let thumbprint = digest::digest(&digest::SHA256, &certificate);
        Ok(Self { thumbprint: BASE64_URL_SAFE_NO_PAD.encode(thumbprint), key, random: SystemRandom::new() })
    }

    /// A new assertion, in place of a secret.
    ///
    /// # Errors
    /// [`TokenError::NotSigned`].
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: SystemTime,
    ) -> Result<SecretString, TokenError> {
        let from = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": audience,
            "exp": (from + LIFE).as_secs(),
            "iss": client_id,
            "jti": self.guid()?,
            "nbf": from.as_secs(),
            "sub": client_id,
        });
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&signature::RSA_PSS_SHA256, &self.random, signed.as_bytes(), &mut signature)
            .map_err(|_| TokenError::NotSigned)?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }

    /// A random one (RFC 9562, version 4): what the documentation wants for a `jti`.
    fn guid(&self) -> Result<String, TokenError> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).map_err(|_| TokenError::NotSigned)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};
    use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use secrecy::ExposeSecret as _;
    use std::collections::BTreeSet;

    const AUDIENCE: &str = "https://login.example/tenant/oauth2/v2.0/token";

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_is_as_documented() {
        let certificate = Certificate::read(&testing::principal()).unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
        let assertion = certificate.assertion(testing::CLIENT, AUDIENCE, now).unwrap();
        let (signed, signature) = assertion.expose_secret().rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        // `openssl x509 -fingerprint -sha256` says BB:9B:16:0F:2F:29:CF:CB:B5:15:A3:21:A6:9A:7D:0E:…
        let thumbprint = "u5sWDy8pz8u1FaMhppp9Dl3dnCUc4xn3brEjEm8N284";
        assert_eq!(decode(header), json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
        let mut claims = decode(claims);
        let jti = claims["jti"].take();
        let expected = json!({
            "aud": AUDIENCE,
            "exp": 1_700_000_600,
            "iss": testing::CLIENT,
            "jti": null,
            "nbf": 1_700_000_000,
            "sub": testing::CLIENT,
        });
        assert_eq!(claims, expected);
        let groups: Vec<_> = jti.as_str().unwrap().split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{jti}");

        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, certificate.key.public().as_ref());
        public.verify(signed.as_bytes(), &signature).unwrap();
        public.verify(&signed.as_bytes()[1..], &signature).unwrap_err();
    }

    #[test]
    fn each_assertion_has_its_own_id() {
        let certificate = Certificate::read(&testing::principal()).unwrap();
        let ids: BTreeSet<_> = (0..100).map(|_| certificate.guid().unwrap()).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| &id[14..15] == "4" && "89ab".contains(&id[19..20])), "{ids:?}");
    }

    #[test]
    fn the_certificate_is_the_one_that_the_key_belongs_to() {
        let ours = fs::read_to_string(testing::principal()).unwrap();
        let another = fs::read_to_string(testing::another()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.pem");
        fs::write(&path, format!("{another}{ours}")).unwrap();
        let expected = Certificate::read(&testing::principal()).unwrap().thumbprint;
        assert_eq!(Certificate::read(&path).unwrap().thumbprint, expected);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_not_shown() {
        let good = fs::read_to_string(testing::principal()).unwrap();
        let another = fs::read_to_string(testing::another()).unwrap();
        let (certificate, key) = good.split_at(good.find("-----BEGIN PRIVATE KEY").unwrap());
        let body = key.lines().nth(1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("principal.pem");
        let encrypted = good.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (text, expected) in [
            (String::new(), "has no key"),
            (certificate.to_owned(), "has no key"),
            (encrypted, "has no key"),
            (good.replace("-----END PRIVATE KEY-----", ""), "has no key"),
            (good.replace("-----BEGIN PRIVATE KEY-----", &format!("-----BEGIN {body}")), "has no key"),
            (good.replace(body, &format!("!{body}")), "has no key"),
            (good.replace(body, ""), "is not an RSA key"),
            (key.to_owned(), "has no certificate"),
            (format!("{another}{key}"), "has no certificate"),
        ] {
            fs::write(&path, &text).unwrap();
            let error = Certificate::read(&path).unwrap_err();
            assert_eq!(error.field, "credentials.client_certificate.certificate_file");
            assert!(error.problem.starts_with(path.to_str().unwrap()), "{error}");
            assert!(error.problem.contains(expected), "{expected}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(!good.lines().any(|line| line.len() > 40 && shown.contains(line)), "{shown}");
        }
        fs::remove_file(&path).unwrap();
        let error = Certificate::read(&path).unwrap_err();
        assert!(
            error.problem.ends_with("principal.pem: cannot be read") && error.source.is_some(),
            "{error:?}"
        );
    }
}
