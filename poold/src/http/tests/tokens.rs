//! Who may use which address: each address of the description, asked by everybody.

use super::fake::{self, Fake};
use crate::{
    access::{self, Role},
    config::ApiConfig,
    http::{carrier::Peer, router::description, tests::fake::instance},
    job::{Finish, Moment},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Response,
};
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The API as somebody on the network asks it, without the network.
struct Asking {
    dir: TempDir,
    fake: Arc<Fake>,
    router: Router,
}

impl Asking {
    fn new(config: &ApiConfig) -> Self {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::new());
        fake.change(|state| state.instances = vec![instance("i-1")]);
        let router = fake::router(&fake, dir.path(), config);
        Self { dir, fake, router }
    }

    fn token(&self, name: &str, role: Role, expires: Option<Moment>) -> String {
        fake::token(self.dir.path(), name, role, expires)
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(header::HOST, "127.0.0.1:8600");
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(Peer::Network("192.0.2.7:1234".parse().unwrap()));
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn status(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        self.ask(method, path, headers, body).await.status().as_u16()
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Method, address with its names filled in, and the role that the description names; none: no token is needed.
fn addresses() -> Vec<(Method, String, Option<Role>)> {
    let api: Value = serde_json::from_str(&description()).unwrap();
    let mut found = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let path = path.replace("{job}", "1").replace("{stream}", "stdout").replace("{instance}", "i-1");
        for (method, operation) in item.as_object().unwrap() {
            let description = operation["description"].as_str().unwrap_or_default();
            let role = Role::ALL.into_iter().find(|role| description.contains(&format!("Role: `{role}`")));
            assert_eq!(role.is_some(), operation["security"].is_array(), "{method} {path}");
            let method: Method = method.to_uppercase().parse().unwrap();
            let actions =
                if path.contains("{action}") { &["hold", "drain", "run", "kill"][..] } else { &[""] };
            for action in actions {
                found.push((method.clone(), path.replace("{action}", action), role));
            }
        }
    }
    found
}

#[tokio::test]
async fn each_address_lets_in_who_may_and_nobody_else() {
    let asking = Asking::new(&ApiConfig { max_requests_per_second: 0, ..ApiConfig::default() });
    let tokens = Role::ALL.map(|role| (role, bearer(&asking.token(role.as_str(), role, None))));
    let expired = bearer(&asking.token("expired", Role::Admin, Some(Moment(Moment::now().0 - 1))));
    let revoked = bearer(&asking.token("revoked", Role::Admin, None));
    access::change(asking.dir.path(), |entries| access::revoke(entries, "revoked")).unwrap();
    let (_, admin) = &tokens[2];
    let (cut, longer) = (&admin[..admin.len() - 1], format!("{admin}x"));
    let nobody = [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic YWRtaW46YWRtaW4="),
        Some(cut),
        Some(&longer),
        Some(&expired),
        Some(&revoked),
        Some(admin.strip_prefix("Bearer ").unwrap()),
    ];
    let addresses = addresses();
    assert!(addresses.len() >= 20, "{addresses:?}");
    let mut walked = 0;
    for (method, path, needed) in addresses {
        let Some(needed) = needed else { continue };
        walked += 1;
        for authorization in nobody {
            let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
            let answer = asking.ask(method.as_str(), &path, &headers, "").await;
            let status = answer.status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} {authorization:?}");
            let body = to_bytes(answer.into_body(), 4096).await.unwrap();
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["status"], status.as_u16(), "{problem}");
        }
        for (role, token) in &tokens {
            let status = asking.status(method.as_str(), &path, &[("authorization", token)], "").await;
            if *role < needed {
                assert_eq!(status, 403, "{method} {path} as {role}");
            } else {
                assert!(status != 401 && status != 403, "{method} {path} as {role}: {status}");
            }
        }
    }
    assert!(walked >= 15, "{walked}");
    for path in ["/v2/nothing", "/v1/jobs/1/nothing"] {
        assert_eq!(asking.status("GET", path, &[], "").await, 401, "strangers are not told what there is");
        assert_eq!(asking.status("GET", path, &[("authorization", &tokens[0].1)], "").await, 404);
    }
    assert_eq!(asking.status("PUT", "/v1/jobs", &[], "").await, 401);
    assert_eq!(asking.status("PUT", "/v1/jobs", &[("authorization", &tokens[0].1)], "").await, 405);
}

#[tokio::test]
async fn other_names_and_pages_of_others_are_refused_whatever_they_show() {
    let config = ApiConfig { hosts: vec!["pool.example.org".to_owned()], ..ApiConfig::default() };
    let asking = Asking::new(&config);
    let admin = bearer(&asking.token("admin", Role::Admin, None));
    let admin = ("authorization", admin.as_str());
    assert_eq!(asking.status("GET", "/v1/status", &[admin], "").await, 200);
    assert_eq!(asking.status("GET", "/v1/status", &[admin, ("host", "pool.example.org")], "").await, 200);
    assert_eq!(asking.status("GET", "/v1/status", &[admin, ("host", "evil.example")], "").await, 403);
    assert_eq!(asking.status("GET", "/_health/live", &[("host", "evil.example")], "").await, 403);
    assert_eq!(
        asking.status("GET", "/v1/status", &[admin, ("origin", "https://evil.example")], "").await,
        403
    );
    let ours = ("origin", "http://127.0.0.1:8600");
    assert_eq!(asking.status("GET", "/v1/status", &[admin, ours], "").await, 200);
}

fn cookie(headers: &HeaderMap) -> (String, String) {
    let whole = headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    (whole.split(';').next().unwrap().to_owned(), whole)
}

#[tokio::test]
async fn the_page_logs_in_with_a_token_and_has_a_cookie_from_then_on() {
    let asking = Asking::new(&ApiConfig { behind_proxy: true, ..ApiConfig::default() });
    let token = asking.token("alice", Role::Admin, None);
    let origin = ("origin", "https://127.0.0.1:8600");
    assert_eq!(asking.status("POST", "/v1/session", &[origin], r#"{"token":"poold_x"}"#).await, 401);
    let answer = asking.ask("POST", "/v1/session", &[origin], &format!("{{\"token\":\"{token}\"}}")).await;
    assert_eq!(answer.status(), 200);
    let (pair, whole) = cookie(answer.headers());
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Secure"] {
        assert!(whole.contains(part), "{whole}");
    }
    assert!(!whole.contains(token.strip_prefix("poold_").unwrap()));
    let with = ("cookie", pair.as_str());
    let answer = asking.ask("GET", "/v1/session", &[with], "").await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let who: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 4096).await.unwrap()).unwrap();
    assert_eq!((&who["name"], &who["role"]), (&"alice".into(), &"admin".into()));
    let hold = "/v1/instances/i-1/hold";
    assert_eq!(asking.status("POST", hold, &[with, origin], "").await, 200);
    assert_eq!(asking.status("POST", hold, &[with], "").await, 401, "a form of another page could send it");
    assert_eq!(asking.status("POST", hold, &[with, ("origin", "https://evil.example")], "").await, 403);
    let out = asking.ask("DELETE", "/v1/session", &[with, origin], "").await;
    assert!(out.status() == 204 && cookie(out.headers()).1.contains("Max-Age=0"));
    access::change(asking.dir.path(), |entries| access::revoke(entries, "alice")).unwrap();
    assert_eq!(asking.status("GET", "/v1/session", &[with], "").await, 401, "its token is gone");
}

#[tokio::test]
async fn changes_are_in_the_audit_log_with_who_and_why_and_no_token() {
    let asking = Asking::new(&ApiConfig::default());
    let (admin, reader) =
        (asking.token("admin", Role::Admin, None), asking.token("reader", Role::Read, None));
    let (admin_header, reader_header) = (bearer(&admin), bearer(&reader));
    let admin_header = ("authorization", admin_header.as_str());
    let submission = r#"{"jobs":[{"command":["true"]},{"command":["true"]}]}"#;
    assert_eq!(asking.status("POST", "/v1/jobs", &[admin_header], submission).await, 200);
    assert_eq!(asking.status("GET", "/v1/jobs", &[admin_header], "").await, 200);
    let why = r#"{"reason":"it is \"slow\""}"#;
    assert_eq!(asking.status("POST", "/v1/instances/i-1/hold", &[admin_header], why).await, 200);
    assert_eq!(
        asking.status("POST", "/v1/jobs/1/kill", &[("authorization", &reader_header)], why).await,
        403
    );
    assert_eq!(asking.status("POST", "/v1/jobs/1/kill", &[], why).await, 401);
    let login = format!("{{\"token\":\"{admin}\"}}");
    assert_eq!(asking.status("POST", "/v1/session", &[], &login).await, 200);
    let lines = asking.audit();
    let short = |line: &Value| {
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {} {}", text("who"), text("request"), line["status"], text("what"), text("why"))
    };
    let ids: Vec<String> =
        asking.fake.look(|state| state.jobs.iter().map(|job| job.id.to_string()).collect());
    let expected = [
        format!("admin POST /v1/jobs 200 2 jobs, {} to {} ", ids[0], ids[1]),
        "admin POST /v1/instances/i-1/hold 200  it is \"slow\"".to_owned(),
        "reader POST /v1/jobs/1/kill 403  ".to_owned(),
        "admin POST /v1/session 200  ".to_owned(),
    ];
    assert_eq!(lines.iter().map(short).collect::<Vec<_>>(), expected);
    assert!(lines.iter().all(|line| line["from"] == "192.0.2.7:1234"), "{lines:?}");
    let all = format!("{lines:?}");
    assert!(!all.contains(&admin[6..]) && !all.contains(&reader[6..]));
}

#[tokio::test]
async fn each_token_has_a_rate_of_its_own_and_wrong_ones_one_by_address() {
    let asking = Asking::new(&ApiConfig { max_requests_per_second: 1, ..ApiConfig::default() });
    let tokens = ["one", "two"].map(|name| bearer(&asking.token(name, Role::Read, None)));
    let ping = |token: String| {
        let asking = &asking;
        async move { asking.ask("GET", "/_health/ping", &[("authorization", &token)], "").await }
    };
    for _ in 0..2 {
        assert_eq!(ping(tokens[0].clone()).await.status(), 200);
    }
    let refused = ping(tokens[0].clone()).await;
    assert_eq!(refused.status(), 429);
    let after: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&after), "{after}");
    assert_eq!(ping(tokens[1].clone()).await.status(), 200, "another's requests do not count");
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(ping("Bearer poold_wrong".to_owned()).await.status().as_u16());
    }
    assert!(answers[..20].iter().all(|status| *status == 401) && answers.contains(&429), "{answers:?}");
    assert_eq!(ping(tokens[1].clone()).await.status(), 200, "from the same address");
    let wrong = [("authorization", "Bearer poold_wrong")];
    assert_eq!(asking.status("GET", "/_health/live", &wrong, "").await, 200, "what needs no token");
}

#[tokio::test]
async fn a_damaged_file_of_tokens_lets_nobody_in_and_a_mended_one_counts_at_once() {
    let asking = Asking::new(&ApiConfig::default());
    let token = bearer(&asking.token("one", Role::Read, None));
    let file = asking.dir.path().join("tokens.json");
    let good = std::fs::read(&file).unwrap();
    let headers = [("authorization", token.as_str())];
    let ping = || asking.status("GET", "/_health/ping", &headers, "");
    assert_eq!(ping().await, 200);
    std::fs::write(&file, "{").unwrap();
    assert_eq!(ping().await, 401);
    std::fs::write(&file, good).unwrap();
    assert_eq!(ping().await, 200);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ping().await, 401);
}

#[tokio::test(start_paused = true)]
async fn what_streams_ends_with_its_token() {
    let asking = Asking::new(&ApiConfig::default());
    let (admin, reader) =
        (asking.token("admin", Role::Admin, None), asking.token("reader", Role::Read, None));
    let submission = r#"{"jobs":[{"command":["true"]}]}"#;
    let admin = bearer(&admin);
    assert_eq!(asking.status("POST", "/v1/jobs", &[("authorization", &admin)], submission).await, 200);
    let follow = |token: String| {
        let asking = &asking;
        async move {
            let path = "/v1/jobs/1/output/stdout?follow=true";
            asking.ask("GET", path, &[("authorization", &token)], "").await.into_body()
        }
    };
    let (revoked, kept) = (follow(bearer(&reader)).await, follow(admin).await);
    access::change(asking.dir.path(), |entries| access::revoke(entries, "reader")).unwrap();
    // The clock jumps to the next look: nothing else happens.
    let error = to_bytes(revoked, 4096).await.unwrap_err();
    assert!(format!("{error:?}").contains("counts no longer"), "{error:?}");
    asking.fake.end(1, Finish::Exited { code: 0 });
    assert!(to_bytes(kept, 4096).await.unwrap().is_empty(), "another's goes on to its end");
}

#[tokio::test]
async fn what_was_asked_for_is_in_the_audit_log_also_when_nobody_waits_for_the_answer() {
    let asking = Asking::new(&ApiConfig::default());
    let admin = bearer(&asking.token("admin", Role::Admin, None));
    let headers = [("authorization", admin.as_str())];
    let mut asked = Box::pin(asking.ask("POST", "/v1/instances/i-1/hold", &headers, ""));
    assert!(futures_util::poll!(&mut asked).is_pending());
    drop(asked);
    while asking.audit().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(asking.audit()[0]["request"], "POST /v1/instances/i-1/hold");
    assert_eq!(asking.fake.look(|state| state.actions.len()), 1);
}

#[tokio::test]
async fn who_is_not_known_can_send_little() {
    let asking = Asking::new(&ApiConfig::default());
    let long = format!("{{\"token\":\"{}\"}}", "x".repeat(5000));
    assert_eq!(asking.status("POST", "/v1/session", &[], &long).await, 413);
}
