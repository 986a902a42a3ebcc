//! What is left behind.

use super::cloud::{Cloud, ask, is, xml};
use pool_conformance::{Action, Rule};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

async fn leave_volume(set: &str) -> String {
    let answer = ask(
        "CreateVolume",
        &[
            ("AvailabilityZone", "eu-central-1a"),
            ("Size", "8"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "pool-driver-ec2%3Ainstance-set"),
            ("TagSpecification.1.Tag.1.Value", set),
        ],
    )
    .await;
    answer.split("<volumeId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned()
}

#[tokio::test]
async fn old_volumes_of_the_set_are_deleted_and_no_others() {
    let careful = Cloud::moto(json!({})).await;
    let hasty = careful.again(json!({ "leftover_age": "0s" })).await;
    // Its volumes are in use.
    let instance = careful.create().await;
    let ours = leave_volume(careful.id().as_str()).await;
    let others = leave_volume("others").await;

    assert_eq!(careful.set.sweep().await.unwrap(), 0, "a volume may be one of a create that goes on");
    assert_eq!(hasty.set.sweep().await.unwrap(), 1);
    assert_eq!(hasty.set.sweep().await.unwrap(), 0);
    let deleted: Vec<String> =
        hasty.sent("DeleteVolume").iter().map(|parameters| parameters["VolumeId"].clone()).collect();
    assert_eq!(deleted, [ours]);
    assert!(ask("DescribeVolumes", &[("VolumeId.1", &others)]).await.contains(&others));
    assert_eq!(careful.list().await[0].id(), instance.id());
}

#[tokio::test]
async fn spot_requests_that_have_waited_too_long_are_cancelled() {
    let request = |id: &str, time: SystemTime| {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
        let time = format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.000Z");
        format!(
            "<item><spotInstanceRequestId>{id}</spotInstanceRequestId><state>open</state><createTime>{time}</createTime></item>"
        )
    };
    let now = SystemTime::now();
    let open = [request("sir-old", now - Duration::from_secs(3600)), request("sir-new", now)].concat();
    let rules = vec![
        Rule::new(is("DescribeVolumes"), Action::Answer(xml("<DescribeVolumesResponse/>"))),
        Rule::new(
            is("DescribeSpotInstanceRequests"),
            Action::Answer(xml(&format!(
                "<DescribeSpotInstanceRequestsResponse><spotInstanceRequestSet>{open}</spotInstanceRequestSet></DescribeSpotInstanceRequestsResponse>"
            ))),
        ),
        Rule::new(
            is("CancelSpotInstanceRequests"),
            Action::Answer(xml("<CancelSpotInstanceRequestsResponse/>")),
        ),
    ];
    let cloud = Cloud::scripted(rules).await;
    assert_eq!(cloud.set.sweep().await.unwrap(), 1);
    let [cancelled] = &cloud.sent("CancelSpotInstanceRequests")[..] else { panic!("not one") };
    assert_eq!(cancelled["SpotInstanceRequestId.1"], "sir-old");
    let asked = cloud.sent("DescribeSpotInstanceRequests").pop().unwrap();
    assert_eq!(
        (asked["Filter.1.Value.1"].as_str(), asked["Filter.2.Value.1"].as_str()),
        ("scripted", "open")
    );
}

/// The date of a day since 1970, by the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}
