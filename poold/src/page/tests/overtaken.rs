//! An answer that comes after a newer one changes nothing.

use super::{
    browser::{Browser, with_browser},
    site::Site,
};
use crate::job::Finish;
use serde_json::{Value, json};

/// Keeps answers back whose address is `window.slow`, until `window.late` are called.
const SLOW: &str = "const quick = window.fetch;
    window.late = [];
    window.fetch = async (path, options) => {
        const answer = await quick(path, options);
        if (path.split('?')[0] === window.slow) await new Promise((go) => { window.late.push(go); });
        return answer;
    };";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_answer_does_not_undo_a_newer_one() {
    let (site, running) = Site::with_two_running().await;
    with_browser(&site.origin, &["/v1/session - Failed to load resource"], async |browser| {
        site.log_in(browser).await;
        browser.run(SLOW).await;
        browser.run(&format!("location.hash = '#/jobs/{}'", running[0])).await;
        ends_meanwhile(browser, &site, running[0], ".job-head").await;
        browser.run("location.hash = '#/jobs'").await;
        ends_meanwhile(browser, &site, running[1], &format!("tr[data-key=\"{}\"]", running[1])).await;
    })
    .await;
}

/// The job ends while an answer is under way that says that it runs.
async fn ends_meanwhile(browser: &Browser, site: &Site, job: u64, place: &str) {
    let seen = |class: &str| format!("document.querySelector('{place} .{class}')");
    browser.until(&seen("is-running")).await;
    let slow = if place == ".job-head" { format!("/v1/jobs/{job}") } else { "/v1/jobs".to_owned() };
    browser.run(&format!("window.slow = '{slow}'")).await;
    site.tell_job(job);
    browser.until("window.late.length === 1").await;
    browser.run("window.slow = null").await;
    site.fake.end(job, Finish::Exited { code: 0 });
    site.tell_job(job);
    browser.until(&format!("!{}", seen("is-running"))).await;
    // Who takes it would ask once more, and show it in the frame after that.
    let after = format!(
        "(async () => {{
            window.late.pop()();
            for (let i = 0; i < 3; i += 1) await (await fetch('/v1/jobs/{job}/explain')).text();
            await new Promise(requestAnimationFrame);
            return {} === null;
        }})()",
        seen("is-running")
    );
    assert_eq!(browser.promised(&after, Vec::new()).await, Value::Bool(true), "it runs again, in {place}");
    assert_eq!(browser.value("window.late.length").await, json!(0));
}
