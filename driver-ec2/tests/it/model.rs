//! The check that holds requests against botocore's model of the API: that it finds what is wrong.

use super::cloud::moto;
use std::collections::BTreeSet;

const GOOD: &str = "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&InstanceType=m5.large\
                    &BlockDeviceMapping.1.Ebs.DeleteOnTermination=true&TagSpecification.1.ResourceType=instance\
                    &TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=";

fn problems(request: &str) -> Vec<String> {
    moto().check(&BTreeSet::from([request.to_owned()])).unwrap()
}

#[test]
fn a_good_request_has_no_problem() {
    assert_eq!(problems(GOOD), [""; 0]);
}

#[test]
fn each_kind_of_mistake_is_found() {
    let cases = [
        (GOOD.replace("MinCount", "MinCuont"), "MinCuont: unknown parameter"),
        (GOOD.replace("&MinCount=1", ""), "lacks MinCount"),
        (GOOD.replace("MaxCount=1", "MaxCount=one"), "MaxCount: 'one' is not an integer"),
        (GOOD.replace("=true", "=yes"), "DeleteOnTermination: 'yes' is not a boolean"),
        (GOOD.replace("m5.large", "m5.lagre"), "'m5.lagre' is not a InstanceType"),
        (GOOD.replace("=instance", "=instanec"), "'instanec' is not a ResourceType"),
        (GOOD.replace("Tag.1.", "Tag.2."), "Tag: is not numbered from 1 on"),
        (GOOD.replace("Tag.1.Key", "Tag.1.Name"), "Tag.1.Name: unknown parameter"),
        (GOOD.replace("Ebs.Delete", "Delete"), "DeleteOnTermination: unknown parameter"),
        (GOOD.replace("2016-11-15", "2015-10-01"), "Version"),
        (GOOD.replace("Action=Run", "Action=Walk"), "there is no action"),
        (format!("{GOOD}&UserData.1=x"), "UserData: has members"),
        (format!("{GOOD}&MinCount=2"), "is there twice"),
        ("Action=ImportKeyPair&Version=2016-11-15&KeyName=k&PublicKeyMaterial=%21".into(), "is not base64"),
        ("Action=DescribeSpotPriceHistory&Version=2016-11-15&StartTime=now".into(), "'now' is not a time"),
    ];
    for (request, expected) in cases {
        let found = problems(&request);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
    }
}
