//! The SDK's clients: without retries and without a log of what is sent.

use crate::{GceConfig, GceCredentials};
use google_cloud_auth::credentials::{self, Credentials};
use google_cloud_compute_v1::client::{Instances, ZoneOperations};
use google_cloud_gax::{client_builder, retry_policy::NeverRetry};
use pool_api::DriverConfigError;
use std::{env, fs, path::Path};

/// All that the driver may do: <https://cloud.google.com/compute/docs/access/service-accounts#associating_a_service_account_to_an_instance>.
const SCOPE: &str = "https://www.googleapis.com/auth/compute";

/// With this environment variable the SDK logs the bodies of calls and answers, in which are the instances' secrets
/// (google-cloud-gax-internal, `options.rs`). Its clients cannot be told not to.
const LOGGING_VARIABLE: &str = "GOOGLE_CLOUD_RUST_LOGGING";

/// The parts of the API that the driver uses.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) instances: Instances,
    pub(crate) operations: ZoneOperations,
}

impl Clients {
    /// For the configured endpoint. Makes no call to Compute Engine. The SDK begins to fetch a token at once, in a task of
    /// its own that ends some time after the clients are dropped; on a machine of Google's it asks the metadata server.
    ///
    /// # Errors
    /// [`DriverConfigError`] when there are no credentials, they cannot be read, or nothing comes of them within
    /// `call_timeout`.
    pub(crate) async fn new(config: &GceConfig) -> Result<Self, DriverConfigError> {
        if env::var(LOGGING_VARIABLE).is_ok_and(|value| value == "true") {
            let problem = "with it, Google's library logs the secrets of instances: unset it";
            return Err(DriverConfigError::new(LOGGING_VARIABLE, problem));
        }
        let limit = config.call_timeout;
        tokio::time::timeout(limit, Self::build(config)).await.unwrap_or_else(|_| {
            let problem = format!("the library did not get ready with them within {limit:?}");
            Err(DriverConfigError::new("credentials", problem))
        })
    }

    async fn build(config: &GceConfig) -> Result<Self, DriverConfigError> {
        // The SDK is built without a cryptography of its own and takes the process's. Where there is one already, it is
        // what the program has chosen.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let credentials = credentials(&config.credentials)?;
        let unusable = |error: client_builder::Error| {
            DriverConfigError::new("credentials", "no client can be made with them").because(error)
        };
        // The pool retries: it knows what the call was for, and it counts calls.
        let mut instances =
            Instances::builder().with_credentials(credentials.clone()).with_retry_policy(NeverRetry);
        let mut operations =
            ZoneOperations::builder().with_credentials(credentials).with_retry_policy(NeverRetry);
        if let Some(endpoint) = &config.endpoint {
            instances = instances.with_endpoint(endpoint);
            operations = operations.with_endpoint(endpoint);
        }
        Ok(Self {
            instances: instances.build().await.map_err(unusable)?,
            operations: operations.build().await.map_err(unusable)?,
        })
    }
}

fn credentials(configured: &GceCredentials) -> Result<Credentials, DriverConfigError> {
    match configured {
        GceCredentials::Anonymous => Ok(credentials::anonymous::Builder::new().build()),
        GceCredentials::Default => {
            credentials::Builder::default().with_scopes([SCOPE]).build().map_err(|error| {
                let problem = "no application default credentials were found: set GOOGLE_APPLICATION_CREDENTIALS, run \
                               `gcloud auth application-default login`, or set credentials.key_file";
                DriverConfigError::new("credentials", problem).because(error)
            })
        }
        GceCredentials::KeyFile(path) => {
            let unusable =
                |problem: &str| DriverConfigError::new("credentials.key_file", with_path(path, problem));
            let text = fs::read_to_string(path).map_err(|error| unusable("cannot be read").because(error))?;
            // What is wrong in it may be quoted by the parser, and is a secret.
            let key = serde_json::from_str(&text).map_err(|_| unusable("is no JSON"))?;
            credentials::service_account::Builder::new(key)
                .with_access_specifier(credentials::service_account::AccessSpecifier::from_scopes([SCOPE]))
                .build()
                .map_err(|_| unusable("is not the key of a service account, as Google's console makes it"))
        }
    }
}

fn with_path(path: &Path, problem: &str) -> String {
    format!("{}: {problem}", path.display())
}
