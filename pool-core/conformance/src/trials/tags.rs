//! Tags.

use crate::{
    bench::Bench,
    specification::{Clause, Specification},
    stop::{Stop, ensure},
};
use pool_api::{Instance, Tags};
use std::{sync::Arc, time::Duration};

const SET_TAGS: Clause = Clause::Method("set_tags");

pub(crate) fn trials() -> Vec<Specification> {
    vec![
        Specification::new(
            "set_tags_adds_and_keeps",
            SET_TAGS,
            "the pool saves one tag at a time",
            adds_and_keeps,
        ),
        Specification::new(
            "set_tags_replaces_a_value",
            SET_TAGS,
            "hold and drain would not survive a restart",
            replaces,
        ),
        Specification::new(
            "set_tags_twice_is_the_same_as_once",
            SET_TAGS,
            "the pool asks again after a lost response",
            twice,
        ),
        Specification::new(
            "tags_keep_every_character",
            SET_TAGS,
            "a tag that comes back as another is saved again for ever",
            keeps_characters,
        ),
        Specification::new(
            "as_many_and_as_long_tags_are_kept_as_the_capabilities_say",
            SET_TAGS,
            "a pool that relies on them could create nothing",
            keeps_limits,
        ),
        Specification::new(
            "set_tags_of_what_is_gone_is_not_found",
            SET_TAGS,
            "the pool would wait for a tag that can never be saved",
            of_what_is_gone,
        ),
    ]
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().copied().collect()
}

/// Changes the tags of a new instance and says with what it is listed in the end.
async fn changed(
    bench: &Arc<Bench>,
    first: &Tags,
    changes: &[Tags],
    wanted: &Tags,
) -> Result<Arc<dyn Instance>, Stop> {
    let session = bench.open().await?;
    let mut request = bench.request(&session);
    request.tags.extend(first);
    let mut wanted = wanted.clone();
    wanted.extend(&session.tags());
    let instance = session.create(request).await?;
    let listed = session.listed(instance.id()).await?;
    for change in changes {
        session.succeed("set_tags", listed.set_tags(change)).await?;
    }
    session
        .until(instance.id(), Duration::ZERO, &format!("listed with {wanted:?}"), |listed| {
            listed.tags().matches(&wanted)
        })
        .await
}

async fn adds_and_keeps(bench: Arc<Bench>) -> Result<(), Stop> {
    let first = tags(&[("InstanceType", "small")]);
    let wanted = tags(&[("InstanceType", "small"), ("Color", "red"), ("Size", "1")]);
    changed(&bench, &first, &[tags(&[("Color", "red")]), tags(&[("Size", "1")])], &wanted).await?;
    Ok(())
}

async fn replaces(bench: Arc<Bench>) -> Result<(), Stop> {
    let wanted = tags(&[("IdleBehavior", "hold")]);
    changed(&bench, &tags(&[("IdleBehavior", "run")]), std::slice::from_ref(&wanted), &wanted).await?;
    Ok(())
}

async fn twice(bench: Arc<Bench>) -> Result<(), Stop> {
    let wanted = tags(&[("Color", "red")]);
    let listed = changed(&bench, &Tags::new(), &[wanted.clone(), wanted.clone()], &wanted).await?;
    let times = listed.tags().iter().filter(|(name, _)| *name == "Color").count();
    ensure!(times == 1, "the tag is there {times} times");
    Ok(())
}

/// What a tag may hold: letters of any case and script, digits, blanks and `+ - = . _ : / @`, nothing at all, and as long
/// as the pool's longest (the SHA-256 of a secret, a host key's fingerprint).
async fn keeps_characters(bench: Arc<Bench>) -> Result<(), Stop> {
    let wanted = tags(&[
        ("Pool-Conformance.Name_1", "Mixed Case, no: + - = . _ : / @ end"),
        ("pool-conformance.name_1", "lower"),
        ("Fingerprint", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"),
        ("InstanceSecret", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("Letters", "Gr\u{f6}\u{df}e \u{7f8e}"),
        ("Empty", ""),
    ]);
    let (created, added): (Vec<_>, Vec<_>) = wanted.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let of = |part: Vec<(usize, (&str, &str))>| part.into_iter().map(|(_, tag)| tag).collect::<Tags>();
    changed(&bench, &of(created), &[of(added)], &wanted).await?;
    Ok(())
}

async fn keeps_limits(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let limits = session.set.capabilities().tags;
    let mut request = bench.request(&session);
    let room = limits.count.saturating_sub(request.tags.len());
    ensure!(room >= 4, "{} tags are too few for what the pool must remember", limits.count);
    request.tags.set("n".repeat(limits.name_length), "v".repeat(limits.value_length));
    for number in 1..room {
        request.tags.set(format!("tag-{number}"), number.to_string());
    }
    let wanted = request.tags.clone();
    let instance = session.create(request).await?;
    let listed = session.listed(instance.id()).await?;
    let lost = wanted.iter().find(|(name, value)| listed.tags().get(name) != Some(value));
    // Its text may be long.
    let lost = lost.map(|(name, _)| name.chars().take(40).collect::<String>());
    ensure!(lost.is_none(), "of {} tags, {lost:?} is not listed as it was created", wanted.len());
    Ok(())
}

async fn of_what_is_gone(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    session.listed(instance.id()).await?;
    session.destroy_all().await?;
    let error =
        session.fail("set_tags of what is gone", instance.set_tags(&tags(&[("Color", "red")]))).await?;
    ensure!(error.kind() == pool_api::ErrorKind::NotFound, "the error is {:?}: {error}", error.kind());
    Ok(())
}
