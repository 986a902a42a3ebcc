//! The connections that follow output are for what is followed now, in all windows.

use super::{
    browser::{Browser, with_browser},
    site::Site,
};
use crate::job::Finish;
use pool_core::OutputStream;
use serde_json::json;

/// Takes both, as other windows would, until `window.release()`.
const TAKE_ALL: &str = "Promise.all([0, 1].map((number) => new Promise((taken) => {
    const released = new Promise((release) => { (window.releases ??= []).push(release); });
    navigator.locks.request(`poold-output-${number}`, () => { taken(); return released; });
})))";
const TAKEN: &str = "navigator.locks.query().then(({ held, pending }) => held.length + pending.length)";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_held_only_while_something_is_followed() {
    let (site, running) = Site::with_two_running().await;
    with_browser(&site.origin, &["/v1/session - Failed to load resource"], async |browser| {
        site.log_in(browser).await;
        none_is_held_after_the_end(browser, &site, running[0]).await;
        what_is_not_followed_ends_too(browser, &site, running[1]).await;
    })
    .await;
}

async fn none_is_held_after_the_end(browser: &Browser, site: &Site, job: u64) {
    browser.run(&format!("location.hash = '#/jobs/{job}'")).await;
    until_all_panes(browser, "live").await;
    assert_eq!(browser.promised(TAKEN, Vec::new()).await, json!(2));
    end(site, job);
    until_all_panes(browser, "ended").await;
    // They are there for another window, and the pane takes none again when it is seen again.
    browser.promised(TAKE_ALL, Vec::new()).await;
    browser.run("window.releases.splice(0).forEach((release) => release())").await;
    for event in ["pagehide", "pageshow"] {
        browser.run(&format!("window.dispatchEvent(new Event('{event}'))")).await;
    }
    assert_eq!(browser.promised(TAKEN, Vec::new()).await, json!(0));
    until_all_panes(browser, "ended").await;
}

async fn what_is_not_followed_ends_too(browser: &Browser, site: &Site, job: u64) {
    browser.promised(TAKE_ALL, Vec::new()).await;
    browser.run(&format!("location.hash = '#/jobs/{job}'")).await;
    until_all_panes(browser, "read every").await;
    // One becomes free: one pane takes it.
    browser.run("window.releases.pop()()").await;
    browser.until("[...document.querySelectorAll('.output-card [role=status]')].filter((at) => at.textContent === 'live').length === 1").await;
    site.fake.print(job, OutputStream::Stdout, b"the end of one\n");
    site.fake.print(job, OutputStream::Stderr, b"the end of the other\n");
    end(site, job);
    until_all_panes(browser, "ended").await;
    browser.until_text("the end of one").await;
    browser.until_text("the end of the other").await;
}

fn end(site: &Site, job: u64) {
    site.fake.end(job, Finish::Exited { code: 0 });
    site.tell_job(job);
}

async fn until_all_panes(browser: &Browser, begin: &str) {
    let all = format!(
        "(() => {{
            const panes = [...document.querySelectorAll('.output-card [role=status]')];
            return panes.length === 2 && panes.every((at) => at.textContent.startsWith({}));
        }})()",
        json!(begin)
    );
    browser.until(&all).await;
}
