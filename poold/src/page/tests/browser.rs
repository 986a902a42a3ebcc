//! A real browser without a screen, driven over WebDriver.

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::{
    env,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use thirtyfour::{
    CapabilitiesHelper, ChromeCapabilities, ChromiumLikeCapabilities as _, DesiredCapabilities, Key,
    WebDriver, error::WebDriverResult,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    sync::Mutex,
    time::timeout,
};

/// For whatever is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Said once it listens, with its port.
const STARTED: &str = "was started successfully on port ";

/// One browser at a time: each takes all cores, and some of what they do is timed.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A browser on the page of one server.
#[derive(Debug)]
pub(super) struct Browser {
    driver: WebDriver,
    origin: String,
}

/// Whether it looks light or dark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Light,
    Dark,
}

pub(super) const DESKTOP: (u32, u32) = (1280, 900);
pub(super) const PHONE: (u32, u32) = (360, 740);

fn installed(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("{program} is not installed: on Debian or Ubuntu, as root: apt-get install chromium chromium-driver")
    })
}

/// Does something with a browser, and ends it also if that fails. Then nothing may have gone wrong in it: no error on the
/// console, none of the page's policy, and no request to another server. `expected`: parts of messages that are as they should be.
pub(super) async fn with_browser(origin: &str, expected: &[&str], act: impl AsyncFnOnce(&Browser)) {
    let _alone = ALONE.lock().await;
    let mut command = Command::new(installed("chromedriver"));
    command
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = timeout(PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver says where it listens");
            if let Some((_, port)) = line.split_once(STARTED) {
                return port.trim_end_matches('.').parse::<u16>().unwrap();
            }
        }
    });
    let port = port.await.expect("chromedriver starts");
    let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities()).await.unwrap();
    driver.set_script_timeout(PATIENCE * 2).await.unwrap();
    let browser = Browser { driver, origin: origin.to_owned() };
    let acted = AssertUnwindSafe(act(&browser)).catch_unwind().await;
    if acted.is_err() {
        // Of what was seen last.
        drop(browser.screenshot("failed").await);
    }
    let wrong = browser.wrong(expected).await;
    browser.driver.quit().await.unwrap();
    if let Err(panic) = acted {
        eprintln!("the browser said: {wrong:#?}");
        resume_unwind(panic);
    }
    assert_eq!(wrong, [""; 0], "on the console, or asked of others");
}

fn capabilities() -> ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(installed("chromium").to_str().unwrap()).unwrap();
    let mut arguments = vec![
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
        "--lang=en",
    ];
    if rustix::process::geteuid().is_root() {
        // Its sandbox refuses to be made by root.
        arguments.push("--no-sandbox");
    }
    for argument in arguments {
        capabilities.add_arg(argument).unwrap();
    }
    let log = json!({"browser": "ALL", "performance": "ALL"});
    CapabilitiesHelper::set(&mut capabilities, "goog:loggingPrefs".to_owned(), log).unwrap();
    capabilities
}

impl Browser {
    /// Opens an address of the page.
    pub(super) async fn open(&self, address: &str) {
        // Only another fragment would be no new page.
        self.driver.goto("about:blank").await.unwrap();
        self.driver.goto(format!("{}{address}", self.origin)).await.unwrap();
    }

    /// The value of an expression in the page.
    pub(super) async fn value(&self, expression: &str) -> Value {
        self.driver.execute(format!("return ({expression})"), Vec::new()).await.unwrap().json().clone()
    }

    /// Does something in the page.
    pub(super) async fn run(&self, script: &str) {
        self.driver.execute(script, Vec::new()).await.unwrap();
    }

    /// The result of a promise in the page.
    pub(super) async fn promised(&self, expression: &str, arguments: Vec<Value>) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; ({expression}).then(done, (error) => done(`failed: ${{error}}`))"
        );
        self.driver.execute_async(script, arguments).await.unwrap().json().clone()
    }

    /// Waits until an expression in the page is true, and returns it.
    pub(super) async fn until(&self, expression: &str) -> Value {
        let limit = PATIENCE.as_millis();
        let waiting = format!(
            "new Promise((resolve) => {{
                const end = performance.now() + {limit};
                const look = () => {{
                    let value;
                    try {{ value = ({expression}); }} catch (error) {{ value = null; }}
                    if (value) resolve({{ value }});
                    else if (performance.now() > end) resolve(null);
                    else setTimeout(look, 20);
                }};
                look();
            }})"
        );
        let found = self.promised(&waiting, Vec::new()).await;
        if found.is_null() {
            let shown = self.value("document.body.innerText").await;
            panic!("it did not come to: {expression}\nshown is: {}", shown.as_str().unwrap_or_default());
        }
        found["value"].clone()
    }

    /// Waits until a text is shown.
    pub(super) async fn until_text(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text))).await;
    }

    /// Presses keys, as somebody would who has no mouse.
    pub(super) async fn press(&self, keys: &[Key]) {
        for key in keys {
            self.driver.action_chain().send_keys(key.clone()).perform().await.unwrap();
        }
    }

    /// Writes a text where the focus is.
    pub(super) async fn write(&self, text: &str) {
        self.driver.action_chain().send_keys(text).perform().await.unwrap();
    }

    /// Presses Tab until the focus is where an expression says, as `at => …` about the element.
    pub(super) async fn tab_to(&self, is: &str) {
        for _ in 0..200 {
            self.press(&[Key::Tab]).await;
            if self.value(&format!("Boolean(({is})(document.activeElement))")).await == json!(true) {
                return;
            }
        }
        panic!("no Tab leads to {is}");
    }

    /// Sets the size of what is seen, in CSS pixels, and its colours.
    pub(super) async fn look(&self, (width, height): (u32, u32), look: Look) {
        let tools = self.driver.cdp();
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        tools.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        let scheme = match look {
            Look::Light => "light",
            Look::Dark => "dark",
        };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tools.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    /// Keeps what is seen, below the target folder, for people to look at.
    pub(super) async fn screenshot(&self, name: &str) -> WebDriverResult<()> {
        // target/debug/deps/poold-…
        let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("screenshots");
        std::fs::create_dir_all(&target).unwrap();
        self.driver.screenshot(&target.join(format!("{name}.png"))).await
    }

    async fn wrong(&self, expected: &[&str]) -> Vec<String> {
        let as_it_should = |message: &str| expected.iter().any(|part| message.contains(part));
        let mut wrong: Vec<String> =
            self.driver.browser_log().await.unwrap().into_iter().map(|entry| entry.message).collect();
        wrong.retain(|message| !as_it_should(message));
        for entry in self.driver.get_log("performance").await.unwrap() {
            let event: Value = serde_json::from_str(&entry.message).unwrap();
            let Some(address) = event["message"]["params"]["request"]["url"].as_str() else { continue };
            let ours =
                address.starts_with(&self.origin) || address.starts_with("data:") || address == "about:blank";
            if event["message"]["method"] == "Network.requestWillBeSent" && !ours {
                wrong.push(format!("it asked {address}"));
            }
        }
        wrong
    }
}
