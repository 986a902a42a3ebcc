//! All instances with certain tags.

use crate::{Ec2Config, Ec2Error, error::from_sdk, pages::Pages, tags};
use aws_sdk_ec2::{
    Client,
    types::{Instance, InstanceStateName},
};
use pool_api::Tags;

/// The states of an instance that is there. Terminated ones are shown for about an hour, and are gone.
const STATES: [InstanceStateName; 5] = [
    InstanceStateName::Pending,
    InstanceStateName::Running,
    InstanceStateName::ShuttingDown,
    InstanceStateName::Stopping,
    InstanceStateName::Stopped,
];

/// Every instance that has these tags, each once, in the order of their ids.
///
/// # Errors
/// All or nothing.
pub(crate) async fn list(
    client: &Client,
    config: &Ec2Config,
    wanted: &Tags,
) -> Result<Vec<Instance>, Ec2Error> {
    let mut filters = vec![tags::filter("instance-state-name", STATES.iter().map(InstanceStateName::as_str))];
    filters.extend(wanted.iter().map(|(name, value)| tags::tag_filter(name, value)));
    let mut pages = Pages::of("DescribeInstances");
    while pages.wants_more() {
        let call = client
            .describe_instances()
            .max_results(config.page_size)
            .set_filters(Some(filters.clone()))
            .set_next_token(pages.token());
        let answer = call.send().await.map_err(|error| from_sdk(pages.call(), error))?;
        let reservations = answer.reservations.unwrap_or_default().into_iter();
        pages.add(reservations.flat_map(|r| r.instances.unwrap_or_default()), answer.next_token)?;
    }
    let mut all: Vec<Instance> = pages.into_all();
    // What the filters mean is EC2's affair; what they must mean is checked. And an instance that changes while the pages
    // are read may be on two of them.
    all.retain(|instance| {
        let state = instance.state().and_then(|state| state.name());
        state.is_none_or(|state| *state != InstanceStateName::Terminated)
            && tags::from_sdk(instance.tags()).matches(wanted)
    });
    all.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
    all.dedup_by(|a, b| a.instance_id == b.instance_id);
    Ok(all)
}
