//! What the provider refuses, and what breaks on the way: each to its class.

use crate::{
    Call, Failure, Fault,
    bench::{Bench, Session},
    specification::{Clause, Specification},
    stop::{Stop, ensure},
};
use pool_api::{BoxCloudError, Effect, ErrorKind, FailureScope, PlacementReach, RateLimit, Reach};
use std::{sync::Arc, time::Duration};

const ERRORS: Clause = Clause::Method("CloudError");
/// What the provider says when it says when to come again.
const RETRY_AFTER: Duration = Duration::from_secs(7);

/// What an error must be taken for.
#[derive(Clone, Copy)]
struct Expected {
    kind: ErrorKind,
    /// None: either.
    effect: Option<Effect>,
}

pub(crate) fn trials() -> Vec<Specification> {
    let scopes = [Reach::InstanceType, Reach::QuotaGroup, Reach::All].into_iter().flat_map(|reach| {
        [PlacementReach::This, PlacementReach::Every].map(|placements| FailureScope::new(reach, placements))
    });
    let quota_and_capacity = scopes.flat_map(|scope| {
        [
            refused(
                format!("quota_{}", in_words(scope)),
                "the pool would hold off too much or too little",
                Call::Create,
                Failure::Quota(scope),
                Expected { kind: ErrorKind::Quota, effect: Some(Effect::NotDone) },
            ),
            refused(
                format!("capacity_{}", in_words(scope)),
                "the pool would hold off too much or too little",
                Call::Create,
                Failure::Capacity(scope),
                Expected { kind: ErrorKind::Capacity, effect: Some(Effect::NotDone) },
            ),
        ]
    });
    quota_and_capacity
        .chain([Call::Create, Call::List, Call::SetTags, Call::Destroy].into_iter().flat_map(of_a_call))
        .collect()
}

/// What may happen to each call.
fn of_a_call(call: Call) -> Vec<Specification> {
    let rate = Expected { kind: ErrorKind::RateLimit, effect: Some(Effect::NotDone) };
    // A list changes nothing, whatever comes of it.
    let unknown = (call != Call::List).then_some(Effect::Unknown);
    let no_answer = Expected { kind: ErrorKind::Transient, effect: unknown };
    let sent_in_vain = Expected { kind: ErrorKind::Transient, effect: None };
    let said = |kind| Expected { kind, effect: Some(Effect::NotDone) };
    let on = |name: &str| format!("{call}_{name}");
    let mut trials = vec![
        refused(
            on("rate_limited_with_a_time"),
            "the pool would call too early or too late",
            call,
            Failure::RateLimit { retry_after: Some(RETRY_AFTER) },
            rate,
        ),
        refused(
            on("rate_limited_without_a_time"),
            "the pool backs off by itself then",
            call,
            Failure::RateLimit { retry_after: None },
            rate,
        ),
        refused(
            on("with_bad_credentials_is_auth"),
            "a human must be told",
            call,
            Failure::Auth,
            said(ErrorKind::Auth),
        ),
        refused(
            on("with_a_bad_request_is_invalid_request"),
            "a human must be told",
            call,
            Failure::InvalidRequest,
            said(ErrorKind::InvalidRequest),
        ),
        refused(
            on("with_status_500_is_transient"),
            "it passes by itself",
            call,
            Failure::ServerError(500),
            sent_in_vain,
        ),
        refused(
            on("with_status_503_is_transient"),
            "it passes by itself",
            call,
            Failure::ServerError(503),
            sent_in_vain,
        ),
        refused(
            on("lost_on_the_way_is_transient"),
            "it passes by itself",
            call,
            Failure::LostRequest,
            no_answer,
        ),
        refused(
            on("with_a_lost_response_is_of_unknown_effect"),
            "a lost response is not a refusal",
            call,
            Failure::LostResponse,
            no_answer,
        ),
        refused(
            on("with_a_reset_connection_is_of_unknown_effect"),
            "a lost response is not a refusal",
            call,
            Failure::Reset,
            no_answer,
        ),
        refused(
            on("with_a_cut_answer_is_of_unknown_effect"),
            "a lost response is not a refusal",
            call,
            Failure::CutBody,
            no_answer,
        ),
        refused(
            on("with_a_garbage_answer_is_of_unknown_effect"),
            "a garbled response is not a refusal",
            call,
            Failure::GarbageBody,
            no_answer,
        ),
        refused(
            on("to_a_hung_server_ends_in_time"),
            "the pool would wait for ever",
            call,
            Failure::Hang,
            no_answer,
        ),
    ];
    if call == Call::Create || call == Call::SetTags {
        trials.push(refused(
            on("of_what_does_not_exist_is_not_found"),
            "to ask again is of no use",
            call,
            Failure::NotFound,
            said(ErrorKind::NotFound),
        ));
    }
    trials
}

fn in_words(scope: FailureScope) -> String {
    let reach = match scope.reach {
        Reach::InstanceType => "of_a_type",
        Reach::QuotaGroup => "of_a_quota_group",
        Reach::All => "of_everything",
    };
    let placements = match scope.placements {
        PlacementReach::This => "in_one_placement",
        PlacementReach::Every => "in_every_placement",
    };
    format!("{reach}_{placements}")
}

fn refused(
    name: String,
    reason: &'static str,
    call: Call,
    failure: Failure,
    expected: Expected,
) -> Specification {
    Specification::new(name, ERRORS, reason, move |bench| async move {
        refusal(&bench, call, failure, expected).await
    })
}

async fn refusal(bench: &Arc<Bench>, call: Call, failure: Failure, expected: Expected) -> Result<(), Stop> {
    // What set_tags and destroy need is made before anything goes wrong.
    let id = match call {
        Call::Create | Call::List => None,
        Call::SetTags | Call::Destroy => {
            let session = bench.open().await?;
            let instance = session.create(bench.request(&session)).await?;
            session.listed(instance.id()).await?;
            Some(instance.id().clone())
        }
    };
    let fault = Fault::always(call, failure);
    let session = bench.open_with(&[fault]).await?;
    let error = match call {
        Call::Create => session.fail("create", session.set.create(bench.request(&session))).await?,
        Call::List => session.fail("list", session.set.instances(&session.tags())).await?,
        Call::SetTags | Call::Destroy => {
            let listed = session.list().await?;
            let Some(instance) = listed.iter().find(|instance| Some(instance.id()) == id.as_ref()) else {
                return Err(Stop::Failed("the instance is not listed any longer".to_owned()));
            };
            if call == Call::Destroy {
                session.fail("destroy", instance.destroy()).await?
            } else {
                let tags = [("Color", "red")].into_iter().collect();
                session.fail("set_tags", instance.set_tags(&tags)).await?
            }
        }
    };
    check(bench, &fault, &error, expected)?;
    no_retry(&session, call)
}

fn check(bench: &Bench, fault: &Fault, error: &BoxCloudError, expected: Expected) -> Result<(), Stop> {
    let kind = error.kind();
    ensure!(kind == expected.kind, "the error is {kind:?}, not {:?}: {error}", expected.kind);
    if let Some(effect) = expected.effect {
        ensure!(error.effect() == effect, "the effect is {:?}, not {effect:?}: {error}", error.effect());
    }
    let (quota, capacity, rate_limit) = match fault.failure {
        Failure::Quota(scope) => (Some(scope), None, None),
        Failure::Capacity(scope) => (None, Some(scope), None),
        Failure::RateLimit { retry_after } => (None, None, Some(RateLimit { retry_after })),
        _ => (None, None, None),
    };
    ensure!(error.quota() == quota, "its scope of quota is {:?}, not {quota:?}: {error}", error.quota());
    ensure!(
        error.capacity() == capacity,
        "its scope of capacity is {:?}, not {capacity:?}: {error}",
        error.capacity()
    );
    match (error.rate_limit(), rate_limit) {
        (None, None) => {}
        // What is left of the time when the answer is read.
        (Some(RateLimit { retry_after: Some(said) }), Some(RateLimit { retry_after: Some(wanted) })) => {
            let close = said <= wanted && said + Duration::from_secs(2) >= wanted;
            ensure!(close, "the next call is to come after {said:?}, not {wanted:?}");
        }
        (said, wanted) => ensure!(said == wanted, "its rate limit is {said:?}, not {wanted:?}: {error}"),
    }
    let said_by_provider = matches!(
        fault.failure,
        Failure::Quota(_)
            | Failure::Capacity(_)
            | Failure::RateLimit { .. }
            | Failure::Auth
            | Failure::InvalidRequest
            | Failure::NotFound
            | Failure::ServerError(_)
    );
    if said_by_provider {
        let (text, message) = (crate::stop::chain(error), bench.harness().message(fault));
        ensure!(text.contains(&message), "the provider's message {message:?} is not in {text:?}");
    }
    Ok(())
}

/// Clause 1: the pool decides when to try again.
fn no_retry(session: &Session, call: Call) -> Result<(), Stop> {
    match session.requests(call) {
        Some(requests) => {
            ensure!(
                requests <= 1,
                "{requests} requests have gone out for one call: the driver tries again by itself"
            );
            Ok(())
        }
        None => Ok(()),
    }
}
