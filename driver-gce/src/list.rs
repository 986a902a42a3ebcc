//! All instances of the set with certain tags.

use crate::{
    GceError,
    error::unreadable,
    set::Shared,
    tags::{self, filter},
};
use google_cloud_compute_v1::model::{
    Instance, InstanceAggregatedList, instance_aggregated_list, instances_scoped_list,
};
use pool_api::Tags;

const CALL: &str = "instances.aggregatedList";

/// More pages than any project has instances: a server that never ends is an error, not a loop.
const MOST_PAGES: usize = 10_000;

/// Every instance of the set that has these tags, each once. In whatever zone: also those in zones that are not configured
/// any longer.
///
/// # Errors
/// All or nothing: also a zone that cannot be reached fails the list.
pub(crate) async fn list(shared: &Shared, wanted: &Tags) -> Result<Vec<(Instance, Tags)>, GceError> {
    let filter = filter(&shared.labels);
    let mut found = Vec::new();
    let mut page_token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = shared.calls.make(CALL, |clients| {
            let call = clients.instances.aggregated_list().set_project(&shared.config.project);
            let call = call.set_filter(&filter).set_max_results(shared.config.page_size);
            call.set_or_clear_page_token(page_token.take()).send()
        });
        let page = page.await?;
        check_whole(&page)?;
        let instances = page.items.into_values().flat_map(|part| part.instances);
        found.extend(instances.filter_map(|instance| with_tags(instance, wanted)));
        page_token = page.next_page_token.filter(|token| !token.is_empty());
        if page_token.is_none() {
            // An instance that changes while the pages are read may be on two of them.
            found.sort_by(|(a, _), (b, _)| (&a.name, &a.zone).cmp(&(&b.name, &b.zone)));
            found.dedup_by(|(a, _), (b, _)| a.name == b.name && a.zone == b.zone);
            return Ok(found);
        }
    }
    Err(unreadable(CALL, "the pages do not end"))
}

/// A page or zone without any instance says so in a warning. Any other warning means that something is missing: from
/// version 2026-09-01 of the API on, which the SDK asks for, a zone that cannot be reached is no error of the call.
fn check_whole(page: &InstanceAggregatedList) -> Result<(), GceError> {
    use instance_aggregated_list::warning::Code as OfPage;
    use instances_scoped_list::warning::Code as OfZone;
    if let Some(zone) = page.unreachables.first() {
        return Err(GceError::partial(CALL, zone));
    }
    if page.warning.as_ref().is_some_and(|warning| warning.code != Some(OfPage::NoResultsOnPage)) {
        return Err(GceError::partial(CALL, "some zone"));
    }
    let is_partial = |warning: &instances_scoped_list::Warning| warning.code != Some(OfZone::NoResultsOnPage);
    match page.items.iter().find(|(_, part)| part.warning.as_ref().is_some_and(is_partial)) {
        Some((zone, _)) => Err(GceError::partial(CALL, zone)),
        None => Ok(()),
    }
}

/// Without its metadata, which hold a whole script.
fn with_tags(mut instance: Instance, wanted: &Tags) -> Option<(Instance, Tags)> {
    let Ok(tags) = tags::from_metadata(instance.metadata.take().as_ref()) else {
        tracing::warn!(
            instance = instance.name.as_deref().unwrap_or_default(),
            item = tags::TAGS_KEY,
            "an instance with this set's label has lost the tags in its metadata, and is left alone"
        );
        return None;
    };
    tags.matches(wanted).then_some((instance, tags))
}
