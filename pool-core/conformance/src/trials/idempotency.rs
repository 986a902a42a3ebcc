//! Asking again.

use crate::{
    Call, Failure, Fault,
    bench::{Bench, Session},
    specification::{Clause, Specification},
    stop::{Stop, ensure},
};
use pool_api::{Effect, Idempotency};
use std::sync::Arc;

pub(crate) fn trials() -> Vec<Specification> {
    const WHY: &str = "two machines would be paid for, and one of them used";
    vec![
        Specification::new("the_same_token_twice_makes_one_instance", Clause::AskAgain, WHY, twice),
        Specification::new(
            "the_same_token_in_parallel_makes_one_instance",
            Clause::AskAgain,
            WHY,
            in_parallel,
        ),
        Specification::new(
            "the_same_token_after_a_lost_response_makes_one_instance",
            Clause::AskAgain,
            WHY,
            after_lost_response,
        ),
        Specification::new(
            "a_create_that_arrives_twice_makes_one_instance",
            Clause::AskAgain,
            WHY,
            arrives_twice,
        ),
        Specification::new(
            "the_same_token_in_another_process_makes_one_instance",
            Clause::AskAgain,
            WHY,
            in_another_process,
        ),
        Specification::new(
            "another_token_makes_another_instance",
            Clause::AskAgain,
            "the pool could not grow",
            another_token,
        ),
    ]
}

fn require_idempotency(session: &Session) -> Result<(), Stop> {
    if session.set.capabilities().idempotency == Idempotency::None {
        let why = "the driver's capabilities say that its provider does not recognise a create that it was asked for before";
        return Err(Stop::Excluded(why.to_owned()));
    }
    Ok(())
}

async fn twice(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    require_idempotency(&session)?;
    let request = bench.request(&session);
    let first = session.create(request.clone()).await?;
    let second = session.create(request).await?;
    ensure!(first.id() == second.id(), "the second create has returned {}, not {}", second.id(), first.id());
    session.exactly(1).await?;
    Ok(())
}

async fn in_parallel(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    require_idempotency(&session)?;
    let request = bench.request(&session);
    // One of them may be told that the other is not done yet.
    let creates = (0..4).map(|_| session.attempt("create", session.set.create(request.clone())));
    let results = futures_util::future::try_join_all(creates).await?;
    ensure!(results.iter().any(Result::is_ok), "none of four creates has succeeded");
    session.exactly(1).await?;
    Ok(())
}

async fn after_lost_response(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open_with(&[Fault::once(Call::Create, Failure::LostResponse)]).await?;
    require_idempotency(&session)?;
    let request = bench.request(&session);
    let error = session.fail("a create whose response is lost", session.set.create(request.clone())).await?;
    ensure!(
        error.effect() == Effect::Unknown,
        "the error says that nothing was done, but an instance was made: {error}"
    );
    session.exactly(1).await?;
    session.create(request).await?;
    session.exactly(1).await?;
    Ok(())
}

async fn arrives_twice(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open_with(&[Fault::always(Call::Create, Failure::Repeat)]).await?;
    require_idempotency(&session)?;
    // The provider may refuse the second one, whose answer it is.
    let _ = session.attempt("create", session.set.create(bench.request(&session))).await?;
    session.exactly(1).await?;
    Ok(())
}

async fn in_another_process(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    require_idempotency(&session)?;
    let request = bench.request(&session);
    session.create(request.clone()).await?;
    let again = bench.open().await?;
    again.create(request).await?;
    again.exactly(1).await?;
    Ok(())
}

async fn another_token(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let first = session.create(bench.request(&session)).await?;
    let second = session.create(bench.request(&session)).await?;
    ensure!(first.id() != second.id(), "both are {}", first.id());
    session.exactly(2).await?;
    Ok(())
}
