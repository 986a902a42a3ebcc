//! Full and partial URLs of resources.

/// The parts of a URL of one of the forms that a field takes, from the project on: of
/// `https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/t`, of
/// `projects/p/zones/z/machineTypes/t` and of `zones/z/machineTypes/t` alike `zones`, `z`, `machineTypes`,
/// `t`, and the project if it is there.
pub(crate) fn parts(url: &str) -> (Option<&str>, Vec<&str>) {
    let mut path =
        url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    path = path.strip_prefix('/').unwrap_or(path);
    path = path.strip_prefix("compute/v1/").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["projects", project, rest @ ..] => (Some(project), rest.to_vec()),
        _ => (None, parts),
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn forms() {
        for url in [
            "https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/t",
            "https://compute.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/t",
            "projects/p/zones/z/machineTypes/t",
        ] {
            assert_eq!(parts(url), (Some("p"), vec!["zones", "z", "machineTypes", "t"]), "{url}");
        }
        assert_eq!(parts("zones/z/machineTypes/t"), (None, vec!["zones", "z", "machineTypes", "t"]));
        assert_eq!(parts("t"), (None, vec!["t"]));
    }
}
