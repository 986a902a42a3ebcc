//! Who asks for a token, and how.

use super::{TokenError, certificate::Certificate};
use crate::config::{AzureConfig, AzureCredentials};
use azure_core::{Method, Request, Url, headers};
use pool_api::DriverConfigError;
use secrecy::{ExposeSecret, SecretString};
use std::time::SystemTime;

/// The metadata service of a machine in Azure. It is the same in all clouds, and plain HTTP: it is reached without leaving
/// the host.
pub(crate) const METADATA_SERVER: &str = "http://169.254.169.254";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who asks. `Debug` shows no secret.
#[derive(Debug)]
pub(super) enum Identity {
    /// The machine that this runs on.
    Machine {
        url: Url,
        /// Of the identity that a user has assigned to it. None: of its own.
        client_id: Option<String>,
    },
    /// A service principal.
    Principal { url: Url, client_id: String, proof: Proof },
}

/// How a service principal proves to be it.
#[derive(Debug)]
pub(super) enum Proof {
    Secret(SecretString),
    Certificate(Box<Certificate>),
}

/// A request for a token.
pub(super) struct Asked {
    pub(super) request: Request,
    /// What is in it and nowhere to be shown.
    pub(super) proof: Option<SecretString>,
    /// Whether a machine's metadata service is asked.
    pub(super) of_machine: bool,
}

impl Identity {
    /// Who is configured.
    ///
    /// # Errors
    /// [`DriverConfigError`] when the certificate cannot be used, or the authority is no URL.
    pub(super) fn new(config: &AzureConfig) -> Result<Self, DriverConfigError> {
        let authority = config.authority.as_deref();
        let machine = |client_id| {
            let url =
                url(authority.unwrap_or(METADATA_SERVER), &["metadata", "identity", "oauth2", "token"])?;
            Ok(Self::Machine { url, client_id })
        };
        let principal = |tenant: &str, client_id: &str, proof| {
            let authority = authority.unwrap_or(config.cloud.authority());
            let url = url(authority, &[tenant, "oauth2", "v2.0", "token"])?;
            Ok(Self::Principal { url, client_id: client_id.to_owned(), proof })
        };
        match &config.credentials {
            AzureCredentials::ManagedIdentity => machine(None),
            AzureCredentials::UserAssignedIdentity { client_id } => machine(Some(client_id.clone())),
            AzureCredentials::ClientSecret { tenant_id, client_id, client_secret } => {
                principal(tenant_id, client_id, Proof::Secret(client_secret.clone()))
            }
            AzureCredentials::ClientCertificate { tenant_id, client_id, certificate_file } => {
                let certificate = Box::new(Certificate::read(certificate_file)?);
                principal(tenant_id, client_id, Proof::Certificate(certificate))
            }
        }
    }

    /// The request for a token.
    ///
    /// # Errors
    /// [`TokenError::NotSigned`].
    pub(super) fn ask(&self, scope: &str, now: SystemTime) -> Result<Asked, TokenError> {
        match self {
            Self::Machine { url, client_id } => Ok(Asked {
                request: to_machine(url, client_id.as_deref(), scope),
                proof: None,
                of_machine: true,
            }),
            Self::Principal { url, client_id, proof } => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "client_credentials");
                form.append_pair("client_id", client_id);
                form.append_pair("scope", scope);
                let proof = match proof {
                    Proof::Secret(secret) => {
                        form.append_pair("client_secret", secret.expose_secret());
                        secret.clone()
                    }
                    Proof::Certificate(certificate) => {
                        let assertion = certificate.assertion(client_id, url.as_str(), now)?;
                        form.append_pair("client_assertion_type", ASSERTION_TYPE);
                        form.append_pair("client_assertion", assertion.expose_secret());
                        assertion
                    }
                };
                // https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
                let mut request = Request::new(url.clone(), Method::Post);
                request.insert_header(headers::CONTENT_TYPE, "application/x-www-form-urlencoded");
                request.set_body(form.finish());
                Ok(Asked { request, proof: Some(proof), of_machine: false })
            }
        }
    }
}

/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http>.
fn to_machine(url: &Url, client_id: Option<&str>, scope: &str) -> Request {
    let mut url = url.clone();
    url.query_pairs_mut()
        .append_pair("api-version", "2018-02-01")
        // Of the older kind of tokens, that are for a resource and not for a scope in it.
        .append_pair("resource", scope.strip_suffix("/.default").unwrap_or(scope))
        .extend_pairs(client_id.map(|id| ("client_id", id)));
    let mut request = Request::new(url, Method::Get);
    request.insert_header("metadata", "true");
    request
}

fn url(base: &str, path: &[&str]) -> Result<Url, DriverConfigError> {
    let unusable = || DriverConfigError::new("authority", "is not a URL that tokens can be asked for at");
    let mut url = Url::parse(base).map_err(|error| unusable().because(error))?;
    url.path_segments_mut().map_err(|()| unusable())?.pop_if_empty().extend(path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{self, CLIENT, SECRET, TENANT, config, secret_config},
        *,
    };
    use crate::config::AzureCloud;
    use azure_core::Body;

    const SCOPE: &str = "https://management.azure.com/.default";

    fn request(config: &AzureConfig) -> Request {
        Identity::new(config).unwrap().ask(SCOPE, SystemTime::now()).unwrap().request
    }

    fn form(request: &Request) -> Vec<(String, String)> {
        let Body::Bytes(bytes) = request.body() else { panic!("{request:?}") };
        form_urlencoded::parse(bytes).into_owned().collect()
    }

    #[test]
    fn a_secret_is_sent_to_the_tenant() {
        let request = request(&secret_config());
        assert_eq!(
            request.url().as_str(),
            format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")
        );
        assert_eq!(request.method(), &Method::Post);
        assert_eq!(
            request.headers().get_optional_str(&headers::CONTENT_TYPE),
            Some("application/x-www-form-urlencoded")
        );
        let expected = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("scope", SCOPE),
            ("client_secret", SECRET),
        ];
        assert_eq!(form(&request), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn an_assertion_is_sent_in_a_secrets_place() {
        let config = config(AzureCredentials::ClientCertificate {
            tenant_id: TENANT.into(),
            client_id: CLIENT.into(),
            certificate_file: testing::principal(),
        });
        let identity = Identity::new(&config).unwrap();
        let asked = identity.ask(SCOPE, SystemTime::now()).unwrap();
        assert_eq!(
            asked.request.url().as_str(),
            format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")
        );
        let form = form(&asked.request);
        let names: Vec<_> = form.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["grant_type", "client_id", "scope", "client_assertion_type", "client_assertion"]);
        assert_eq!(form[3].1, ASSERTION_TYPE);
        assert_eq!(form[4].1, asked.proof.as_ref().unwrap().expose_secret());
        let again = identity.ask(SCOPE, SystemTime::now()).unwrap();
        assert_ne!(form[4].1, again.proof.unwrap().expose_secret(), "each assertion is used once");
    }

    #[test]
    fn a_machine_asks_its_metadata_service() {
        let address = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F\
                       management.azure.com";
        let system = request(&config(AzureCredentials::ManagedIdentity));
        assert_eq!(system.url().as_str(), address);
        assert_eq!(system.method(), &Method::Get);
        assert_eq!(system.headers().get_optional_str(&"metadata".into()), Some("true"));
        assert!(system.body().is_empty());
        let assigned = request(&config(AzureCredentials::UserAssignedIdentity { client_id: CLIENT.into() }));
        assert_eq!(assigned.url().as_str(), format!("{address}&client_id={CLIENT}"));
    }

    #[test]
    fn a_clouds_authority_can_be_another() {
        let mut secret = secret_config();
        secret.cloud = AzureCloud::UsGovernment;
        assert_eq!(request(&secret).url().host_str(), Some("login.microsoftonline.us"));
        secret.authority = Some("http://127.0.0.1:1234/".into());
        assert_eq!(
            request(&secret).url().as_str(),
            format!("http://127.0.0.1:1234/{TENANT}/oauth2/v2.0/token")
        );
        secret.authority = Some("https://proxy.example/login".into());
        assert_eq!(
            request(&secret).url().as_str(),
            format!("https://proxy.example/login/{TENANT}/oauth2/v2.0/token")
        );
        secret.authority = Some("https://proxy.example:no".into());
        assert_eq!(Identity::new(&secret).unwrap_err().field, "authority");

        let mut machine = config(AzureCredentials::ManagedIdentity);
        machine.authority = Some("http://127.0.0.1:1234".into());
        let url = request(&machine).url().clone();
        assert_eq!((url.host_str(), url.path()), (Some("127.0.0.1"), "/metadata/identity/oauth2/token"));
    }
}
