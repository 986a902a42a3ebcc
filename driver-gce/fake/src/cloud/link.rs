//! Links to resources.

/// A resource's URL, as answers have it. It names the real API whatever the server's address, as the real
/// one's does.
pub(crate) fn link(project: &str, path: &str) -> String {
    format!("https://www.googleapis.com/compute/v1/projects/{project}/{path}")
}

/// `europe-west1` of `europe-west1-b`:
/// <https://cloud.google.com/compute/docs/regions-zones#identifying_a_region_or_zone>.
pub(super) fn region_of(zone: &str) -> &str {
    zone.rsplit_once('-').map_or(zone, |(region, _)| region)
}
