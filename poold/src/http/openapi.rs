//! The description of the API (OpenAPI 3.1): what handlers do not say of themselves, because it is the same of all.

use crate::{
    access::Role,
    api::{InstancesChanged, JobsChanged, Problem, routes},
};
use utoipa::{
    OpenApi as _,
    openapi::{
        Content, HttpMethod, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

const PROBLEM_JSON: &str = "application/problem+json";
const BEARER: &str = "token";
const SESSION: &str = "session";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "poold",
        description = "An elastic pool of cloud workers: jobs, instances and what hinders them. Whoever may submit jobs runs code on \
                       workers, with their cloud role.",
    ),
    components(schemas(InstancesChanged, JobsChanged, Problem)),
    tags(
        (name = "jobs", description = "The queue"),
        (name = "instances", description = "The workers"),
        (name = "pool", description = "The whole"),
        (name = "session", description = "Who asks"),
        (name = "health", description = "Whether it lives"),
    ),
)]
struct Api;

/// What all of it has.
pub(super) fn begin() -> OpenApi {
    let mut api = Api::openapi();
    let components = api.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of `poold token create`. Not needed on the Unix socket."))
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(super::session::COOKIE, "The web page's log-in.");
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    api
}

/// Adds to each operation who may use it, and the errors that each can answer with.
pub(super) fn complete(api: &mut OpenApi, role: Option<Role>) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Delete, &mut item.delete),
        ] {
            if let Some(operation) = operation {
                complete_operation(operation, &method, path, role);
            }
        }
    }
}

fn complete_operation(operation: &mut Operation, method: &HttpMethod, path: &str, role: Option<Role>) {
    if let Some(role) = role {
        let scheme = |name: &str| SecurityRequirement::new(name, std::iter::empty::<String>());
        operation.security = Some(vec![scheme(BEARER), scheme(SESSION)]);
        let description = operation.description.take().unwrap_or_default();
        operation.description = Some(format!("{description}\n\nRole: `{role}`.").trim_start().to_owned());
    }
    if path == routes::EVENTS
        && let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200")
    {
        // What is in it, OpenAPI 3.1 has no words for.
        answer.content.insert("text/event-stream".to_owned(), RefOr::T(Content::new(None::<Ref>)));
    }
    let mut add = |status: u16, description: &str| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build();
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    };
    add(400, "The request makes no sense");
    add(401, "No token, or a wrong, expired or revoked one");
    add(403, "The token's role is not enough, or a page of another origin has asked");
    add(429, "Too many requests: again after the seconds in `Retry-After`");
    add(500, "Something went wrong");
    add(503, "It is stopping: ask again later");
    add(504, "No answer in time");
    if path.contains('{') {
        add(404, "No such job, instance or run");
    }
    if *method == HttpMethod::Post {
        add(409, "It cannot be done in this state");
        add(413, "The body is too large");
        add(415, "The body is not JSON");
        add(422, "A job cannot be taken as it is: its fields are named");
        add(507, "The disk is full: nothing was changed");
    }
}
