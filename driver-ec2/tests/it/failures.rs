//! What comes in place of an answer, where the suite's faults do not reach.

use super::cloud::{Cloud, is, xml};
use pool_api::{Effect, ErrorKind, Tags};
use pool_conformance::{Action, Answer, Rule};
use serde_json::json;
use std::{error::Error as _, sync::Arc, time::Duration};

fn any(action: Action) -> Rule {
    Rule::new(|_| true, action)
}

/// A middle-box may count the bytes of what it lets through anew: then only the document tells that it was cut.
#[tokio::test]
async fn a_list_that_is_cut_off_but_well_framed_is_no_list() {
    let cloud = Cloud::moto(json!({})).await;
    for _ in 0..3 {
        cloud.create().await;
    }
    assert_eq!(cloud.list().await.len(), 3);
    for tenths in 1..10 {
        let cut = move |_: &_, answer: &mut Answer| {
            let end = answer.body.len() * tenths / 10;
            answer.body.truncate(end);
        };
        let rule = Rule::new(is("DescribeInstances"), Action::ChangeAnswer(Arc::new(cut)));
        cloud.proxy.add(rule.times(Some(1)));
        let error = cloud.set.instances(&cloud.tags()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{tenths} tenths: {error}");
    }
    assert_eq!(cloud.list().await.len(), 3);
}

#[tokio::test]
async fn a_create_whose_answer_lacks_the_instance_may_have_made_one() {
    let answers = [
        "<RunInstancesResponse><instancesSet/></RunInstancesResponse>",
        "<RunInstancesResponse><instancesSet><item><instanceId>i-1</instanceId></item></instancesSet></RunInstancesResponse>",
        "<DescribeKeyPairsResponse/>",
    ];
    for answer in answers {
        let key = "<DescribeKeyPairsResponse><keySet><item><keyName>k</keyName></item></keySet></DescribeKeyPairsResponse>";
        let rules = vec![
            Rule::new(is("DescribeKeyPairs"), Action::Answer(xml(key))),
            Rule::new(is("RunInstances"), Action::Answer(xml(answer))),
        ];
        let cloud = Cloud::scripted(rules).await;
        let error = cloud.set.create(cloud.request()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{answer}");
    }
}

#[tokio::test]
async fn an_http_error_without_a_code_is_judged_by_its_status() {
    let cases = [
        (502, ErrorKind::Transient, Effect::Unknown),
        (403, ErrorKind::Auth, Effect::NotDone),
        (429, ErrorKind::RateLimit, Effect::NotDone),
        (404, ErrorKind::Unknown, Effect::NotDone),
    ];
    for (status, kind, effect) in cases {
        let answer = Answer::new(status, "text/html", "<html>no<br></html>").header("retry-after", "3");
        let cloud = Cloud::scripted(vec![any(Action::Answer(answer))]).await;
        let error = cloud.set.instances(&Tags::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
        assert_eq!(
            error.rate_limit().and_then(|limit| limit.retry_after),
            (status == 429).then_some(Duration::from_secs(3))
        );
        assert_eq!(
            error.to_string(),
            format!("DescribeInstances: HTTP status {status} without an error code of EC2's")
        );
        assert_eq!(cloud.proxy.requests().len(), 1);
    }
}

#[tokio::test]
async fn waiting_times_are_read_in_milliseconds_too() {
    let body = "<Response><Errors><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></Errors></Response>";
    let answer = Answer::new(503, "text/xml", body).header("x-amz-retry-after", "1500");
    let cloud = Cloud::scripted(vec![any(Action::Answer(answer))]).await;
    let error = cloud.set.instances(&Tags::new()).await.unwrap_err();
    assert_eq!(error.rate_limit().and_then(|limit| limit.retry_after), Some(Duration::from_millis(1500)));
    assert_eq!(error.to_string(), "DescribeInstances: Rate exceeded (Throttling)");
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_done() {
    let cloud = Cloud::moto(json!({ "endpoint": "http://127.0.0.1:1" })).await;
    let error = cloud.set.create(cloud.request()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::NotDone), "{error:?}");
    assert_eq!(error.to_string(), "DescribeKeyPairs: no connection to EC2's API");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_no_longer_than_configured() {
    let cloud = Cloud::moto(json!({ "call_timeout": "300ms" })).await;
    cloud.proxy.add(any(Action::Hang));
    let began = std::time::Instant::now();
    let error = cloud.set.instances(&cloud.tags()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Transient, Effect::Unknown), "{error}");
    assert_eq!(cloud.proxy.requests().len(), 1);
}
