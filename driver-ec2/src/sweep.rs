//! What failed creates, and images that keep their volumes, leave behind.

use crate::{Ec2Error, error::from_sdk, pages::Pages, tags};
use aws_sdk_ec2::{Client, primitives::DateTime};
use pool_api::InstanceSetId;
use std::time::{Duration, SystemTime};

/// Deletes volumes of this set that no instance has, and cancels spot requests of this set that wait: a create whose price was
/// too low may leave one behind ("no instance is launched and your request remains open",
/// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html>, `SpotMaxPriceTooLow`).
///
/// Only what is older than `age`: the volume of an instance that is being made has none yet. Returns how many there were.
pub(crate) async fn sweep(client: &Client, set: &InstanceSetId, age: Duration) -> Result<usize, Ec2Error> {
    let Some(before) = SystemTime::now().checked_sub(age) else { return Ok(0) };
    let before = DateTime::from(before);
    Ok(volumes(client, set, before).await? + spot_requests(client, set, before).await?)
}

fn is_older(created: Option<&DateTime>, before: DateTime) -> bool {
    created.is_some_and(|created| *created <= before)
}

async fn volumes(client: &Client, set: &InstanceSetId, before: DateTime) -> Result<usize, Ec2Error> {
    let mut pages = Pages::of("DescribeVolumes");
    while pages.wants_more() {
        let call = client
            .describe_volumes()
            .filters(tags::of_set(set))
            .filters(tags::filter("status", ["available"]))
            .set_next_token(pages.token());
        let answer = call.send().await.map_err(|error| from_sdk(pages.call(), error))?;
        pages.add(answer.volumes.unwrap_or_default(), answer.next_token)?;
    }
    let mut deleted = 0;
    for volume in pages.into_all().iter().filter(|volume| is_older(volume.create_time(), before)) {
        let Some(id) = volume.volume_id() else { continue };
        let answer = client.delete_volume().volume_id(id).send().await;
        match answer.map_err(|error| from_sdk("DeleteVolume", error)) {
            Ok(_) => deleted += 1,
            // Deleted, or attached, since it was listed.
            Err(error) if error.is_not_found() || error.is_code("VolumeInUse") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(deleted)
}

async fn spot_requests(client: &Client, set: &InstanceSetId, before: DateTime) -> Result<usize, Ec2Error> {
    let mut pages = Pages::of("DescribeSpotInstanceRequests");
    while pages.wants_more() {
        let call = client
            .describe_spot_instance_requests()
            .filters(tags::of_set(set))
            .filters(tags::filter("state", ["open"]))
            .set_next_token(pages.token());
        let answer = call.send().await.map_err(|error| from_sdk(pages.call(), error))?;
        pages.add(answer.spot_instance_requests.unwrap_or_default(), answer.next_token)?;
    }
    let mut cancelled = 0;
    for request in pages.into_all().iter().filter(|request| is_older(request.create_time(), before)) {
        let Some(id) = request.spot_instance_request_id() else { continue };
        let answer = client.cancel_spot_instance_requests().spot_instance_request_ids(id).send().await;
        match answer.map_err(|error| from_sdk("CancelSpotInstanceRequests", error)) {
            Ok(_) => cancelled += 1,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(cancelled)
}
