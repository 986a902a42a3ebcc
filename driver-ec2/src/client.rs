//! The SDK's client: no retries, time limits on everything, nothing taken from the environment but credentials.

use crate::{Ec2Config, whole_answer::WholeAnswer};
use aws_config::{default_provider::credentials::DefaultCredentialsChain, provider_config::ProviderConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_ec2::{
    Client,
    config::{
        BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::tls;
use secrecy::ExposeSecret;

/// A client for the configured region or endpoint. Makes no call.
pub(crate) async fn client(config: &Ec2Config) -> Client {
    let http = http_client(config);
    let region = Region::new(config.region.clone());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout)
        .operation_timeout(config.call_timeout)
        .build();
    let credentials = match &config.credentials {
        Some(fixed) => SharedCredentialsProvider::new(Credentials::from_keys(
            fixed.access_key_id.clone(),
            fixed.secret_access_key.expose_secret(),
            fixed.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
        )),
        None => SharedCredentialsProvider::new(default_chain(&region, &http).await),
    };
    let mut builder = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .http_client(http)
        // The pool retries: it knows what the call was for, and it counts calls.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // Each call has a time limit, and its answers are small.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(WholeAnswer);
    builder.set_endpoint_url(config.endpoint.clone());
    Client::from_conf(builder.build())
}

fn http_client(config: &Ec2Config) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    match &config.endpoint {
        // No certificates are looked for where none is needed.
        Some(endpoint) if endpoint.starts_with("http://") && config.credentials.is_some() => {
            builder.build_http()
        }
        _ => {
            builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
        }
    }
}

/// Environment, profile files, web identity, container, instance metadata (IMDSv2 alone), in this order.
async fn default_chain(region: &Region, http: &SharedHttpClient) -> DefaultCredentialsChain {
    let providers = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http.clone());
    DefaultCredentialsChain::builder().configure(providers).region(region.clone()).build().await
}
