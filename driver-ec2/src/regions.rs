//! Which regions there are.

/// Every region of every partition, from botocore 1.44.8's `partitions.json`. One that is newer is reached by stating
/// its endpoint.
const REGIONS: [&str; 48] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// True for a region that is known here.
pub(crate) fn is_known(region: &str) -> bool {
    REGIONS.contains(&region)
}

/// The known region that looks most like this.
pub(crate) fn nearest(text: &str) -> &'static str {
    REGIONS
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(a, text).total_cmp(&strsim::jaro_winkler(b, text)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_known_by_its_whole_name() {
        assert!(is_known("eu-central-1"));
        assert!(is_known("us-west-2"));
        assert!(!is_known("eu-central"));
        assert!(!is_known("aws-global"));
    }

    #[test]
    fn a_mistyped_region_is_guessed() {
        assert_eq!(nearest("eu-centrl-1"), "eu-central-1");
        assert_eq!(nearest("us-wset-2"), "us-west-2");
    }
}
