//! All instances of the set with certain tags.

use crate::{
    GceError,
    error::unreadable,
    set::Shared,
    tags::{self, filter},
};
use google_cloud_compute_v1::model::{Instance, InstancesScopedList, instances_scoped_list::warning::Code};
use pool_api::Tags;
use std::collections::BTreeSet;

const CALL: &str = "instances.aggregatedList";

/// Every instance of the set that has these tags, each once, in the order of their names. In whatever zone: also those in
/// zones that are not configured any longer.
///
/// # Errors
/// All or nothing: also a zone that cannot be reached fails the list.
pub(crate) async fn list(shared: &Shared, wanted: &Tags) -> Result<Vec<(Instance, Tags)>, GceError> {
    let filter = filter(&shared.labels);
    let mut found = Vec::new();
    let mut seen_tokens = BTreeSet::new();
    let mut page_token: Option<String> = None;
    loop {
        let call = shared.clients.instances.aggregated_list();
        let call = call
            .set_project(&shared.config.project)
            .set_filter(&filter)
            .set_max_results(shared.config.page_size)
            .set_or_clear_page_token(page_token);
        let page = call.send().await.map_err(|error| shared.calls().failed(CALL, error))?;
        if let Some(zone) = page.unreachables.first() {
            return Err(GceError::partial(CALL, zone));
        }
        for (zone, part) in page.items {
            check_whole(&zone, &part)?;
            found.extend(part.instances);
        }
        match page.next_page_token.filter(|token| !token.is_empty()) {
            None => break,
            // Pages that lead in a circle would never end.
            Some(token) if !seen_tokens.insert(token.clone()) => {
                return Err(unreadable(CALL, "a page leads back to an earlier one"));
            }
            Some(token) => page_token = Some(token),
        }
    }
    // An instance that changes while the pages are read may be on two of them.
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    Ok(found.into_iter().filter_map(|instance| with_tags(instance, wanted)).collect())
}

/// A zone without any instance says so in a warning. Any other warning means that something is missing.
fn check_whole(zone: &str, part: &InstancesScopedList) -> Result<(), GceError> {
    match &part.warning {
        None => Ok(()),
        Some(warning) if warning.code == Some(Code::NoResultsOnPage) => Ok(()),
        Some(_) => Err(GceError::partial(CALL, zone)),
    }
}

fn with_tags(instance: Instance, wanted: &Tags) -> Option<(Instance, Tags)> {
    let Some(tags) = tags::from_metadata(instance.metadata.as_ref()) else {
        tracing::warn!(
            instance = instance.name.as_deref().unwrap_or_default(),
            item = tags::TAGS_KEY,
            "an instance with this set's label has lost the tags in its metadata, and is left alone"
        );
        return None;
    };
    tags.matches(wanted).then_some((instance, tags))
}
