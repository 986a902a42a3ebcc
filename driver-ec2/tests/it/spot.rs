//! What spot instances cost.

use super::cloud::{Cloud, instance_type, is, xml};
use pool_api::{ByteSize, CreateRequest, InstanceType};
use pool_conformance::{Action, Rule};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_spot_instance_s_history_has_the_price_of_its_scratch_in_it() {
    let cloud = Cloud::moto(json!({ "ebs_price": 0.0730, "spot_price_interval": "10m" })).await;
    let spot = |added_scratch| {
        let instance_type = InstanceType { preemptible: true, added_scratch, ..instance_type() };
        CreateRequest { instance_type: Arc::new(instance_type), ..cloud.request() }
    };
    let plain = cloud.set.create(spot(ByteSize(0))).await.unwrap();
    let scratch = cloud.set.create(spot(ByteSize::gib(100))).await.unwrap();
    let on_demand = cloud.create().await;
    // The driver's own tag is not the pool's.
    assert!(scratch.tags().matches(&cloud.tags()) && scratch.tags().len() == 1, "{:?}", scratch.tags());

    // moto says that every type has cost 0.00001 since 2006. It is asked in the background.
    let history = async |id: &pool_api::InstanceId| {
        let listed = cloud.list().await;
        listed.iter().find(|instance| instance.id() == id).unwrap().price_history()
    };
    let known = async {
        while history(plain.id()).await.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), known).await.unwrap();
    let prices =
        async |id| -> Vec<u64> { history(id).await.iter().map(|change| change.price.as_micros()).collect() };
    assert_eq!(prices(plain.id()).await, [10]);
    assert_eq!(prices(scratch.id()).await, [10 + 10_000]);
    assert_eq!(prices(on_demand.id()).await, [0; 0]);
    assert_eq!(history(plain.id()).await[0].since, plain.created().unwrap());
    // Not with each list.
    assert_eq!(cloud.sent("DescribeSpotPriceHistory").len(), 1);
    let asked = cloud.sent("DescribeSpotPriceHistory").pop().unwrap();
    assert_eq!(
        (asked["InstanceType.1"].as_str(), asked["ProductDescription.1"].as_str()),
        ("m5.large", "Linux/UNIX")
    );
    cloud.set.stop().await;
}

#[tokio::test]
async fn prices_that_cannot_be_had_fail_no_list() {
    let cloud = Cloud::moto(json!({ "spot_price_interval": "1ms" })).await;
    cloud.proxy.add(Rule::new(is("DescribeSpotPriceHistory"), Action::Answer(xml("<nothing/>"))));
    let spot = InstanceType { preemptible: true, ..instance_type() };
    cloud.set.create(CreateRequest { instance_type: Arc::new(spot), ..cloud.request() }).await.unwrap();
    let asked_twice = async {
        while cloud.sent("DescribeSpotPriceHistory").len() < 2 {
            assert!(cloud.list().await[0].price_history().is_empty());
        }
    };
    timeout(Duration::from_secs(30), asked_twice).await.unwrap();
    cloud.set.stop().await;
}
