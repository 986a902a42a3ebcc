//! Access tokens.

use crate::client::{Answer, Client, machines};
use azure_fake::Settings;

const TENANT: &str = "00000000-0000-0000-0000-000000000002";
const PATH: &str = "/00000000-0000-0000-0000-000000000002/oauth2/v2.0/token";
const SCOPE: &str = "scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
const CLIENT: &str = "client_id=00000000-0000-0000-0000-000000000003";

fn ask(client: &Client, form: &str) -> Answer {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    client.send("POST", PATH, &kind, form.to_owned())
}

fn good() -> String {
    format!("grant_type=client_credentials&{CLIENT}&client_secret=fake-secret&{SCOPE}")
}

fn checking() -> Client {
    Client::of(Settings { check_tokens: true, ..Settings::default() })
}

#[test]
fn calls_need_a_token_that_was_issued_and_is_valid() {
    let client = checking();
    let answer = client.get(&machines());
    assert!(answer.header("www-authenticate").is_some());
    assert_eq!(answer.refused(401).0, "AuthenticationFailed");
    let with = |token: &str| {
        client.call_with("GET", &machines(), &[("Authorization", &format!("Bearer {token}"))], None)
    };
    assert_eq!(with("nonsense").refused(401).0, "InvalidAuthenticationToken");
    let token = ask(&client, &good()).ok();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 3599);
    let token = token["access_token"].as_str().unwrap();
    with(token).ok();
    client.fake.expire_tokens();
    let (code, message) = with(token).refused(401);
    assert_eq!(code, "ExpiredAuthenticationToken");
    assert!(message.contains("is earlier than current UTC time"), "{message}");
    // The secret is in no exchange.
    assert!(client.fake.exchanges().iter().all(|exchange| exchange.request.is_none()));
}

#[test]
fn a_client_must_prove_itself() {
    let client = checking();
    let assertion = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
                     client_assertion=x.y.z";
    let proven = format!("grant_type=client_credentials&{CLIENT}&{assertion}&{SCOPE}");
    ask(&client, &proven).ok();
    for (form, status, error, code) in [
        (good().replace("fake-secret", "wrong"), 401, "invalid_client", 7_000_215),
        (good().replace("&client_secret=fake-secret", ""), 401, "invalid_client", 7_000_218),
        (good().replace("0003", "0009"), 400, "unauthorized_client", 700_016),
        (
            good().replace("grant_type=client_credentials", "grant_type=password"),
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (good().replace("grant_type=client_credentials&", ""), 400, "invalid_request", 900_144),
        (good().replace(SCOPE, ""), 400, "invalid_request", 900_144),
        (good().replace(SCOPE, "scope=x"), 400, "invalid_scope", 1_002_012),
    ] {
        let body = ask(&client, &form).is(status);
        assert_eq!(body["error"], error, "{form}");
        assert_eq!(body["error_codes"][0], code);
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    }
    assert_eq!(client.send("GET", PATH, &[], good()).is(400)["error_codes"][0], 900_561);
    let elsewhere = PATH.replace(TENANT, "nowhere");
    let body = client.send("POST", &elsewhere, &[], good()).is(400);
    assert_eq!(body["error_codes"][0], 90_002);
    let strict = Client::of(Settings { client_assertion: Some("a.b.c".into()), ..Settings::default() });
    assert_eq!(ask(&strict, &proven).is(401)["error_codes"][0], 700_027);
    ask(&strict, &proven.replace("x.y.z", "a.b.c")).ok();
}

#[test]
fn a_managed_identity_has_tokens_too() {
    let client = checking();
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
    let ask = |path: &str, headers: &[(&str, &str)]| client.send("GET", path, headers, String::new());
    assert_eq!(ask(path, &[]).is(400)["error"], "invalid_request");
    let metadata = [("Metadata", "true")];
    let token = ask(path, &metadata).ok();
    assert_eq!(token["expires_in"], "3599");
    assert!(token["expires_on"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(token["resource"], "https://management.azure.com/");
    let bearer = format!("bearer {}", token["access_token"].as_str().unwrap());
    client.call_with("GET", &machines(), &[("Authorization", &bearer)], None).ok();
    ask("/metadata/identity/oauth2/token?api-version=2018-02-01", &metadata).is(400);
    ask(&format!("{path}&client_id=00000000-0000-0000-0000-000000000009"), &metadata).is(400);
    ask(&format!("{path}&client_id=00000000-0000-0000-0000-000000000004"), &metadata).ok();
}
