//! Access tokens, and where they are not sent.

use super::cloud::{
    Cloud, is_interfaces, is_look, is_machines, is_of_machine, is_states, is_token, tags, whole,
};
use azure_fake::Settings;
use pool_api::{Effect, ErrorKind};
use pool_conformance::{Action, Answer, Proxy, Request, Rule};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn checked() -> Settings {
    Settings { check_tokens: true, ..Settings::default() }
}

fn secret(secret: &str) -> Value {
    let Settings { tenant, client_id, .. } = Settings::default();
    json!({ "client_secret": { "tenant_id": tenant, "client_id": client_id, "client_secret": secret } })
}

fn tokens(cloud: &Cloud) -> Vec<Request> {
    cloud.proxy.requests().into_iter().filter(is_token).collect()
}

/// Makes a machine, lists it, tags it and destroys it, all with one token.
async fn all_calls(cloud: &Cloud) {
    let instance = cloud.create().await;
    assert_eq!(cloud.list().await.len(), 1);
    instance.set_tags(&[("a", "1")].into_iter().collect()).await.unwrap();
    instance.destroy().await.unwrap();
    cloud.set.sweep().await.unwrap();
    assert_eq!(tokens(cloud).len(), 1);
    let calls: Vec<Request> = cloud.proxy.requests().into_iter().filter(|r| !is_token(r)).collect();
    assert!(
        calls.len() > 8
            && calls.iter().all(|call| call.header("authorization") == Some("Bearer fake-access-token-1"))
    );
}

#[tokio::test]
async fn a_service_principal_proves_itself_with_its_secret() {
    let cloud = Cloud::with(json!({}), checked()).await;
    all_calls(&cloud).await;
    let asked = tokens(&cloud).pop().unwrap();
    assert_eq!(
        (&asked.method[..], asked.path),
        ("POST", "/00000000-0000-0000-0000-000000000002/oauth2/v2.0/token".to_owned())
    );
    let body = String::from_utf8(asked.body.to_vec()).unwrap();
    for part in ["client_secret=fake-secret", "scope=https%3A%2F%2Fmanagement.azure.com%2F.default"] {
        assert!(body.contains(part), "{part}");
    }
}

#[tokio::test]
async fn a_service_principal_proves_itself_with_its_certificate() {
    let Settings { tenant, client_id, .. } = Settings::default();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/credentials/testdata/principal.pem");
    let certificate = json!({ "client_certificate": {
        "tenant_id": tenant, "client_id": client_id, "certificate_file": file,
    } });
    let cloud = Cloud::with(json!({ "credentials": certificate.clone() }), checked()).await;
    all_calls(&cloud).await;
    let other = Settings { client_assertion: Some("another".into()), ..checked() };
    let cloud = Cloud::with(json!({ "credentials": certificate }), other).await;
    let error = cloud.set.create(cloud.request()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Auth, Effect::NotDone), "{error}");
}

#[tokio::test]
async fn a_machine_has_its_managed_identity() {
    let own = Settings::default().identity_client_id;
    let assigned = json!({ "user_assigned_identity": { "client_id": own } });
    for (credentials, client) in [(json!("managed_identity"), None), (assigned, Some(&own))] {
        let cloud = Cloud::with(json!({ "credentials": credentials }), checked()).await;
        all_calls(&cloud).await;
        let asked = tokens(&cloud).pop().unwrap();
        assert_eq!(
            (&asked.method[..], super::cloud::path(&asked)),
            ("GET", "/metadata/identity/oauth2/token")
        );
        assert_eq!(asked.header("metadata"), Some("true"));
        assert!(
            asked.path.contains("resource=https%3A%2F%2Fmanagement.azure.com&")
                || asked.path.ends_with("resource=https%3A%2F%2Fmanagement.azure.com"),
            "{}",
            asked.path
        );
        assert_eq!(asked.path.contains("client_id="), client.is_some());
    }
    let unknown = json!({ "user_assigned_identity": { "client_id": Settings::default().client_id } });
    let cloud = Cloud::with(json!({ "credentials": unknown }), checked()).await;
    let error = cloud.set.create(cloud.request()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Auth, Effect::NotDone), "{error}");
}

#[tokio::test]
async fn a_token_is_for_the_cloud_s_own_resource_manager() {
    for (name, host) in [("us_government", "usgovcloudapi.net"), ("china", "chinacloudapi.cn")] {
        let cloud = Cloud::with(json!({ "cloud": name }), checked()).await;
        cloud.list().await;
        let asked = tokens(&cloud).pop().unwrap();
        let scope = format!("scope=https%3A%2F%2Fmanagement.{host}%2F.default");
        assert!(asked.text().contains(&scope), "{}", asked.text());
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_not_shown() {
    let cloud = Cloud::with(json!({ "credentials": secret("hunter2") }), checked()).await;
    for _ in 0..2 {
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Auth, Effect::NotDone), "{error}");
        let whole = whole(&error);
        assert!(whole.contains("AADSTS7000215") && !whole.contains("hunter2"), "{whole}");
    }
    // Nothing is sent without a token.
    assert_eq!(cloud.count(|request| !is_token(request)), 0);
}

#[tokio::test]
async fn a_token_that_has_expired_is_refused_once_and_then_replaced() {
    let cloud = Cloud::with(json!({}), checked()).await;
    let instance = cloud.create().await;
    assert_eq!(tokens(&cloud).len(), 1);
    cloud.fake.expire_tokens();
    let error = cloud.set.instances(&tags()).await.err().unwrap();
    assert_eq!(
        (error.kind(), error.provider_code()),
        (ErrorKind::Auth, Some("ExpiredAuthenticationToken")),
        "{error}"
    );
    assert_eq!(cloud.list().await.len(), 1);
    assert_eq!(tokens(&cloud).len(), 2);
    cloud.fake.expire_tokens();
    let error = instance.destroy().await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Auth, Effect::NotDone), "{error}");
    instance.destroy().await.unwrap();
    assert_eq!(tokens(&cloud).len(), 3);
}

#[tokio::test]
async fn tokens_of_a_short_life_are_renewed_before_they_end() {
    let settings = Settings { token_lifetime: Duration::from_secs(2), ..checked() };
    let cloud = Cloud::with(json!({}), settings).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3500) {
        cloud.list().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((3..=5).contains(&tokens(&cloud).len()), "{}", tokens(&cloud).len());
}

#[tokio::test]
async fn a_server_of_tokens_that_never_answers_is_not_waited_for() {
    // It accepts connections, and never says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = format!("http://{}", silent.local_addr().unwrap());
    for credentials in [secret("fake-secret"), json!("managed_identity")] {
        let fields = json!({ "authority": authority, "call_timeout": "500ms", "credentials": credentials });
        let cloud = Cloud::new(fields).await;
        let start = Instant::now();
        for _ in 0..2 {
            let error = cloud.set.instances(&tags()).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
            let error = cloud.set.create(cloud.request()).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(cloud.proxy.requests().is_empty());
    }
}

/// Another server, which would answer everything.
fn elsewhere() -> Proxy {
    let body = r#"{"value":[],"status":"Succeeded","access_token":"t","expires_in":3600}"#;
    let answer = Answer::new(200, "application/json", body);
    Proxy::start(None, vec![Rule::new(|_| true, Action::Answer(answer))]).unwrap()
}

fn changed(
    is_of: impl Fn(&Request) -> bool + Send + Sync + 'static,
    change: impl Fn(&mut Answer) + Send + Sync + 'static,
) -> Rule {
    Rule::new(is_of, Action::ChangeAnswer(Arc::new(move |_: &Request, answer: &mut Answer| change(answer))))
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_read() {
    for is_of in [is_machines, is_states, is_interfaces] {
        let (cloud, elsewhere) = (Cloud::new(json!({})).await, elsewhere());
        cloud.create().await;
        let next = format!("{}/subscriptions/s/more", elsewhere.url());
        cloud.proxy.add(changed(is_of, move |answer| {
            let mut page: Value = serde_json::from_slice(&answer.body).unwrap();
            page["nextLink"] = json!(next);
            answer.body = page.to_string().into();
        }));
        let error = cloud.set.instances(&tags()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        assert!(elsewhere.requests().is_empty());
    }
}

#[tokio::test]
async fn no_token_of_the_resource_manager_goes_to_the_server_of_tokens() {
    let authority = elsewhere();
    let cloud = Cloud::new(json!({ "authority": authority.url() })).await;
    cloud.create().await;
    let next = format!("{}/subscriptions/s/more", authority.url());
    cloud.proxy.add(changed(is_machines, move |answer| {
        answer.body = json!({ "value": [], "nextLink": next }).to_string().into();
    }));
    let error = cloud.set.instances(&tags()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert!(authority.requests().iter().all(is_token));
    assert_eq!(authority.requests().len(), 1);
}

#[tokio::test]
async fn an_operation_elsewhere_is_not_looked_at() {
    for header in ["azure-asyncoperation", "location"] {
        let (cloud, elsewhere) = (Cloud::new(json!({})).await, elsewhere());
        let url = format!("{}/subscriptions/s/operations/1", elsewhere.url());
        cloud.proxy.add(changed(
            |request| is_of_machine(request, "PUT"),
            move |answer| {
                answer.headers.retain(|(name, _)| name != "azure-asyncoperation");
                answer.headers.push((header.to_owned(), url.clone()));
            },
        ));
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
        assert!(elsewhere.requests().is_empty());
        assert_eq!(cloud.list().await.len(), 1);
        assert_eq!(cloud.count(is_look), 0);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let (cloud, elsewhere) = (Cloud::new(json!({})).await, elsewhere());
        let redirect = Answer::new(status, "text/html", "").header("location", &elsewhere.url());
        cloud.proxy.add(Rule::new(|request| !is_token(request), Action::Answer(redirect.clone())));
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert!(cloud.set.instances(&tags()).await.is_err());
        // Nor with the secret.
        let cloud = Cloud::new(json!({})).await;
        cloud.proxy.add(Rule::new(is_token, Action::Answer(redirect)));
        let error = cloud.set.create(cloud.request()).await.err().unwrap();
        assert_eq!(error.effect(), Effect::NotDone, "{error}");
        assert!(elsewhere.requests().is_empty());
    }
}
