//! What is handed out, and that nothing is missing in it.

use crate::page::{
    assets::{ASSETS, INDEX},
    router,
};
use axum::{
    body::Body,
    http::{Method, Request, Response, StatusCode, request::Builder},
};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

async fn get(path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    ask(request).await
}

async fn ask(request: Builder) -> Response<Body> {
    TowerToHyperService::new(router()).call(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// What stands in quotes after `word`.
fn named(text: &str, word: &str) -> BTreeSet<String> {
    let after = text.split(word).skip(1);
    after.filter_map(|rest| rest.split(['"', '\'']).next()).map(str::to_owned).collect()
}

#[test]
fn every_file_of_the_folder_is_in_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page/assets");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let in_program = ASSETS.iter().map(|asset| asset.name.to_owned()).chain([INDEX.name.to_owned()]);
    assert_eq!(names.collect::<BTreeSet<_>>(), in_program.collect::<BTreeSet<_>>());
}

#[test]
fn the_page_names_each_script_and_each_script_only_what_is_there() {
    let scripts = || ASSETS.iter().filter(|asset| asset.name.ends_with(".js"));
    let all: BTreeSet<String> = scripts().map(|asset| asset.name.to_owned()).collect();
    let mut loaded = named(INDEX.text, "modulepreload\" href=\"/assets/");
    loaded.extend(named(INDEX.text, "<script type=\"module\" src=\"/assets/"));
    assert_eq!(loaded, all, "what is not named at once is loaded late");
    for script in scripts() {
        let imported = named(script.text, "from './");
        assert!(imported.is_subset(&all), "{}: {imported:?}", script.name);
    }
}

#[test]
fn no_script_makes_markup_of_a_string_nor_asks_another_host() {
    let never = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "sessionStorage",
    ];
    for asset in ASSETS.iter().chain([&INDEX]) {
        for word in never {
            assert!(!asset.text.contains(word), "{} has {word}", asset.name);
        }
        let addresses = asset.text.matches("http://").count() + asset.text.matches("https://").count();
        let names_of_svg = asset.text.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(addresses, names_of_svg, "{}", asset.name);
    }
}

#[tokio::test]
async fn files_come_with_a_strict_policy_and_are_not_sent_twice() {
    for path in ["/", "/assets/main.js", "/assets/base.css", "/assets/icon.svg"] {
        let first = get(path, None).await;
        assert_eq!(first.status(), StatusCode::OK, "{path}");
        let header = |name: &str| first.headers()[name].to_str().unwrap().to_owned();
        assert!(
            header("content-security-policy").starts_with("default-src 'none'; script-src 'self'; "),
            "{path}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-cache");
        let tag = header("etag");
        assert!(!first.into_body().collect().await.unwrap().to_bytes().is_empty());
        let again = get(path, Some(&format!("\"other\", {tag}"))).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert!(again.into_body().collect().await.unwrap().to_bytes().is_empty());
        assert_eq!(get(path, Some("\"other\"")).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn errors_are_said_as_the_api_says_them() {
    let wrong = [
        (Method::GET, "/assets/other.js", 404, "Not Found", "not_found"),
        (Method::GET, "/assets/..%2frouter.rs", 404, "Not Found", "not_found"),
        (Method::GET, "/assets/%ff", 404, "Not Found", "not_found"),
        (Method::POST, "/", 405, "Method Not Allowed", "invalid_request"),
        (Method::DELETE, "/assets/main.js", 405, "Method Not Allowed", "invalid_request"),
    ];
    for (method, path, status, title, code) in wrong {
        let answer = ask(Request::builder().method(method).uri(path)).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers().get("allow").is_some(), status == 405, "{path}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let mut problem: Value = serde_json::from_slice(&body).unwrap();
        let detail = problem.as_object_mut().unwrap().remove("detail").unwrap();
        assert!(!detail.as_str().unwrap().is_empty(), "{path}");
        let rest = json!({"type": "about:blank", "title": title, "status": status, "code": code});
        assert_eq!(problem, rest, "{path}");
    }
}
