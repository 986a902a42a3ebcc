//! A walk through the page, as people do it.

use super::{
    browser::{Browser, DESKTOP, Look, with_browser},
    screenshots,
    site::{LONG_LINE, Site},
};
use crate::{
    access::Role,
    api::InstanceAction,
    commands::harmless::{Filter, harmless_line},
    job::{Finish, JobState},
};
use pool_core::OutputStream;
use serde_json::{Value, json};
use std::fs;
use thirtyfour::Key;

/// Names that would be markup, steer a terminal, or turn what stands around them.
const HOSTILE: [(&str, &str); 4] = [
    ("<img src=x onerror=\"window.caught=1\">", "<img src=x onerror=\"window.caught=1\">"),
    ("</script><script>window.caught=1</script>", "</script><script>window.caught=1</script>"),
    ("bell\u{7}\u{1b}[31mred\ttab", "bell\\x07\\x1b[31mred\\ttab"),
    ("invoice\u{202e}fdp.exe\u{2066}", "invoice\\u{202e}fdp.exe\\u{2066}"),
];
/// What the browser itself says of a 401 or 503, and of the markup that it refuses: these are part of the walk.
const EXPECTED: [&str; 3] = [
    "/v1/session - Failed to load resource",
    "/v1/events - Failed to load resource",
    "This document requires 'TrustedHTML' assignment",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_walked_through() {
    let site = Site::new().await;
    site.fill(43);
    let long = site.job("one long line", JobState::Complete).await;
    assert_eq!(long, 1, "it is served by the site itself");
    for (name, _) in HOSTILE {
        site.job(name, JobState::Queued).await;
    }
    let spare = site.job("to be killed", JobState::Queued).await;
    let running = site.job("running", JobState::Queued).await;
    site.fake.begin(running);
    with_browser(&site.origin, &EXPECTED, async |browser| {
        browser.look(DESKTOP, Look::Light).await;
        log_in(browser, &site).await;
        the_same_is_harmless_as_on_a_terminal(browser).await;
        hostile_names_are_shown_and_do_nothing(browser).await;
        a_job_gets_a_priority_and_is_killed(browser, &site, spare).await;
        a_worker_is_held_by_keyboard_alone(browser, &site).await;
        output_comes_live(browser, &site, running).await;
        a_line_of_megabytes_does_not_freeze(browser, long).await;
        a_lost_connection_is_said(browser, &site).await;
        light_and_dark(browser).await;
        screenshots::of_all_pages(browser, "few", running).await;
        who_may_read_has_no_buttons(browser, &site).await;
    })
    .await;
}

async fn log_in(browser: &Browser, site: &Site) {
    let token = site.token("alice", Role::Admin);
    browser.open("/").await;
    browser.until("document.activeElement.id === 'token'").await;
    screenshots::of_what_is_seen(browser, "log-in").await;
    browser.write("poold_wrong").await;
    browser.press(&[Key::Enter]).await;
    browser.until_text("This token is not valid").await;
    screenshots::of_what_is_seen(browser, "log-in-refused").await;
    browser.until("document.activeElement.id === 'token' && document.activeElement.value === ''").await;
    browser.write(&token).await;
    browser.press(&[Key::Enter]).await;
    browser.until_text("alice admin").await;
    browser.until("document.getElementById('live').textContent === 'live'").await;
    let kept = "document.documentElement.outerHTML + location.href + document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)";
    let kept = browser.value(kept).await;
    assert!(!kept.as_str().unwrap().contains(&token), "the token is nowhere in the page");
    assert_eq!(browser.value("document.cookie").await, json!(""), "no script can read the cookie");
}

async fn the_same_is_harmless_as_on_a_terminal(browser: &Browser) {
    let outputs: [&[u8]; 9] = [
        b"plain\tand\nlines\n",
        "Grüße 👩‍🚀 漢字".as_bytes(),
        b"\x1b]0;title\x07",
        b"dos\r\nline\r\r\nover\rwritten\r",
        "\u{9b}2J\u{feff}".as_bytes(),
        b"\x9b2J\xff\xc3",
        "a\u{202e}b\u{2066}\u{e0041}".as_bytes(),
        b"\xe2\x82\xf0\x9f\x98A\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80",
        b"\x08\x7f\0\xe2\x80\xa8",
    ];
    let script = "import('/assets/harmless.js').then(({ harmless, OutputDecoder }) => [
        arguments[0].map((bytes) => {
            const decoder = new OutputDecoder();
            const pieces = bytes.map((byte) => decoder.pass(Uint8Array.of(byte)));
            return pieces.join('') + decoder.finish();
        }),
        arguments[1].map(harmless),
    ])";
    let names: Vec<&str> = HOSTILE.iter().map(|(name, _)| *name).collect();
    let shown = browser.promised(script, vec![json!(outputs), json!(names)]).await;
    let here = outputs.map(|output| {
        let mut filter = Filter::default();
        let shown = filter.pass(output);
        shown + filter.finish().as_str()
    });
    assert_eq!(shown[0], json!(here));
    assert_eq!(shown[1], names.iter().map(|name| harmless_line(name)).collect::<Value>());
}

async fn hostile_names_are_shown_and_do_nothing(browser: &Browser) {
    for page in ["jobs", "queue"] {
        browser.run(&format!("location.hash = '#/{page}'")).await;
        for (_, shown) in HOSTILE {
            browser.until_text(shown).await;
        }
    }
    browser.until_text("quota for vCPUs is used up").await;
    browser.run("location.hash = '#/jobs/5'").await;
    browser.until_text(HOSTILE[3].1).await;
    let title = browser.value("document.title").await;
    assert!(title.as_str().unwrap().contains("\\u{202e}"), "{title}");
    assert_eq!(
        browser
            .value("[window.caught ?? null, document.querySelectorAll('main img, main script').length]")
            .await,
        json!([null, 0])
    );
    let refused = browser
        .value("(() => { try { document.body.innerHTML = '<b>'; return false; } catch { return true; } })()")
        .await;
    assert_eq!(refused, json!(true), "the browser takes no string for markup");
}

async fn a_job_gets_a_priority_and_is_killed(browser: &Browser, site: &Site, job: u64) {
    let press = async |word: &str| {
        let button = format!(
            "[...document.querySelectorAll('.job-head button')].find((at) => at.textContent === '{word}')"
        );
        browser.until(&button).await;
        browser.run(&format!("{button}.click()")).await;
        browser.until("document.activeElement.id === 'dialog-field'").await;
    };
    let record = || site.fake.look(|state| state.jobs[job as usize - 1].record.clone());
    browser.run(&format!("location.hash = '#/jobs/{job}'")).await;
    press("Priority").await;
    browser.write("1000001").await;
    browser.press(&[Key::Enter]).await;
    browser.until_text("A whole number from 0 to 1000000").await;
    browser.run("document.getElementById('dialog-field').select()").await;
    browser.write("500").await;
    browser.press(&[Key::Enter]).await;
    browser.until("!document.querySelector('dialog')").await;
    assert_eq!(record().priority, 500);
    press("Kill").await;
    browser.write("not needed <any> more").await;
    browser.press(&[Key::Enter]).await;
    browser.until_text("not needed <any> more").await;
    browser.until("document.querySelector('.job-head .is-cancelled')").await;
    assert_eq!(record().finish, Some(Finish::Cancelled { reason: "not needed <any> more".to_owned() }));
}

async fn a_worker_is_held_by_keyboard_alone(browser: &Browser, site: &Site) {
    browser.open("/#/workers").await;
    browser.until("document.querySelector('.board-space')?.offsetHeight > 0").await;
    browser.press(&[Key::Tab]).await;
    assert_eq!(
        browser.value("document.activeElement.id").await,
        json!("skip"),
        "first of all a way to the content"
    );
    browser.press(&[Key::Enter]).await;
    assert_eq!(browser.value("document.activeElement.id").await, json!("main"));
    browser.tab_to("at => at.classList.contains('board')").await;
    browser.press(&[Key::Right, Key::Right, Key::Down, Key::Up, Key::Left]).await;
    let chosen = browser.until("document.querySelector('.inspector h2')?.textContent").await;
    let chosen = chosen.as_str().unwrap().to_owned();
    let said = browser.value("document.querySelector('.board-frame [role=status]').textContent").await;
    assert!(said.as_str().unwrap().starts_with(&chosen), "who does not see it hears it: {said}");
    browser.press(&[Key::Enter]).await;
    assert_eq!(browser.value("document.activeElement.textContent").await, json!(chosen));
    browser.tab_to("at => at.closest('.inspector') && at.textContent === 'Hold'").await;
    browser.press(&[Key::Enter]).await;
    browser
        .until("document.querySelector('dialog[open]') && document.activeElement.id === 'dialog-field'")
        .await;
    screenshots::of_what_is_seen(browser, "dialog").await;
    browser.press(&[Key::Escape]).await;
    browser.until("!document.querySelector('dialog') && document.activeElement.textContent === 'Hold'").await;
    assert_eq!(site.was_done(&chosen), [], "Escape does nothing");
    browser.press(&[Key::Enter]).await;
    browser.until("document.activeElement.id === 'dialog-field'").await;
    browser.write("looking at its disk").await;
    browser.press(&[Key::Enter]).await;
    browser.until("!document.querySelector('dialog')").await;
    assert_eq!(site.was_done(&chosen), [InstanceAction::Hold]);
    let audit = fs::read_to_string(site.dir.path().join("audit.jsonl")).unwrap();
    assert!(audit.contains("looking at its disk") && audit.contains("alice"), "{audit}");
    site.fake.change(|state| {
        let row =
            state.instances.iter_mut().find(|row| row.id.as_ref().is_some_and(|id| id.as_str() == chosen));
        row.unwrap().idle_behavior = "hold".to_owned();
    });
    site.tell_instances();
    browser.until("document.querySelector('.inspector .is-hold')").await;
    // The same in the list, with a filter.
    browser.tab_to("at => at.id === 'worker-text'").await;
    browser.write(&chosen).await;
    browser.until("document.querySelectorAll('tbody tr').length === 1").await;
    assert!(browser.value("location.hash").await.as_str().unwrap().ends_with(&format!("text={chosen}")));
    browser.tab_to("at => at.closest('tbody th')").await;
    browser.press(&[Key::Enter]).await;
    browser.until(&format!("location.hash === '#/instances/{chosen}' && document.querySelector('h1').textContent === '{chosen}'")).await;
}

async fn output_comes_live(browser: &Browser, site: &Site, running: u64) {
    site.fake.print(running, OutputStream::Stdout, b"first line\n");
    browser.open(&format!("/#/jobs/{running}")).await;
    browser.until_text("first line").await;
    site.fake.print(running, OutputStream::Stdout, b"<b>bold</b> \x1b[2J\xff\n");
    site.fake.print(running, OutputStream::Stderr, "turned \u{202e}around\n".as_bytes());
    browser.until_text("<b>bold</b> \\x1b[2J\\xff").await;
    browser.until_text("turned \\u{202e}around").await;
    assert_eq!(browser.value("document.querySelectorAll('.output b').length").await, json!(0));
    browser.until("[...document.querySelectorAll('.output-card [role=status]')].every((at) => at.textContent === 'live')").await;
    site.fake.print(running, OutputStream::Stdout, b"the end");
    site.fake.end(running, Finish::Exited { code: 3 });
    site.tell_job(running);
    browser.until("document.querySelector('.job-head .is-failed')?.textContent === 'exit 3'").await;
    browser.until_text("the end").await;
    browser
        .until("document.querySelector('.output-card [role=status]').textContent.startsWith('ended')")
        .await;
    assert_eq!(
        browser.value("document.querySelectorAll('.job-head button').length").await,
        json!(0),
        "nothing is left to be killed"
    );
}

async fn a_line_of_megabytes_does_not_freeze(browser: &Browser, job: u64) {
    let watch = "window.longest = 0; let last = performance.now();
        const look = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - last); last = now; requestAnimationFrame(look); };
        look();";
    browser.run(watch).await;
    browser.run(&format!("location.hash = '#/jobs/{job}'")).await;
    browser
        .until(
            "document.querySelector('.output-card [role=status]')?.textContent.startsWith('ended, 10 MiB')",
        )
        .await;
    let shown =
        browser.value("document.querySelector('.output-text').textContent.length").await.as_u64().unwrap();
    assert!((LONG_LINE as u64 / 20..=1024 * 1024).contains(&shown), "the last megabyte is kept: {shown}");
    browser.until_text("are not shown here").await;
    let longest = browser.value("window.longest").await.as_f64().unwrap();
    println!("longest frame with a line of 10 MiB: {longest:.0} ms");
    assert!(longest < 1000.0, "it stood still for {longest} ms");
}

async fn a_lost_connection_is_said(browser: &Browser, site: &Site) {
    browser.open("/#/").await;
    browser.until("document.getElementById('live').textContent === 'live'").await;
    site.disconnect();
    browser.until_text("The connection was lost: what is shown may be old.").await;
    assert_eq!(browser.value("document.getElementById('live').textContent").await, json!("not live"));
    screenshots::of_what_is_seen(browser, "connection-lost").await;
    site.connect();
    browser.until("document.getElementById('live').textContent === 'live' && document.getElementById('line').hidden").await;
    // What was missed is read again.
    site.fake.change(|state| state.instances.truncate(7));
    site.event("missed", &json!({}));
    browser.run("location.hash = '#/workers'").await;
    browser.until_text("7 workers").await;
}

async fn light_and_dark(browser: &Browser) {
    let background = "getComputedStyle(document.documentElement).backgroundColor";
    let light = browser.value(background).await;
    browser.look(DESKTOP, Look::Dark).await;
    let dark = browser.until(&format!("{background} !== {light} && {background}")).await;
    // As the system, light, dark.
    browser.run("document.getElementById('theme').click()").await;
    assert_eq!(browser.value(background).await, light);
    browser.look(DESKTOP, Look::Light).await;
    browser.run("document.getElementById('theme').click()").await;
    assert_eq!(browser.value(background).await, dark);
    browser.open("/#/workers").await;
    assert_eq!(browser.value(background).await, dark, "the choice is kept");
    browser.run("document.getElementById('theme').click()").await;
    assert_eq!(browser.value(background).await, light);
}

async fn who_may_read_has_no_buttons(browser: &Browser, site: &Site) {
    let token = site.token("bob", Role::Read);
    browser.run("document.getElementById('log-out').click()").await;
    browser.until("document.activeElement.id === 'token'").await;
    assert_eq!(
        browser.value("document.querySelectorAll('nav a').length").await,
        json!(0),
        "nothing of the pool is left"
    );
    browser.write(&token).await;
    browser.press(&[Key::Enter]).await;
    browser.until_text("bob read").await;
    browser.run("location.hash = '#/workers'").await;
    browser.until("document.querySelectorAll('tbody tr').length > 0").await;
    assert_eq!(browser.value("document.querySelectorAll('.actions').length").await, json!(0));
    browser.run("location.hash = '#/jobs/2'").await;
    browser.until("document.querySelector('.job-head')").await;
    assert_eq!(browser.value("document.querySelectorAll('.actions').length").await, json!(0));
}
