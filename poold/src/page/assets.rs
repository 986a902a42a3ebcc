//! The files of the page, in the program.

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset { name: $name, content_type: $content_type, text: include_str!(concat!("assets/", $name)) }
    };
}

/// The page itself, which names all others.
pub(super) const INDEX: Asset = asset!("index.html", "text/html; charset=utf-8");

/// All but the page itself.
pub(super) const ASSETS: &[Asset] = &[
    asset!("actions.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("base.css", STYLE),
    asset!("board.js", SCRIPT),
    asset!("chart.js", SCRIPT),
    asset!("dialog.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("harmless.js", SCRIPT),
    asset!("hold-offs.js", SCRIPT),
    asset!("icon.svg", PICTURE),
    asset!("inspector.js", SCRIPT),
    asset!("layout.css", STYLE),
    asset!("lines.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("main.js", SCRIPT),
    asset!("marks.js", SCRIPT),
    asset!("output.js", SCRIPT),
    asset!("parts.css", STYLE),
    asset!("store.js", SCRIPT),
    asset!("theme.js", SCRIPT),
    asset!("view-instance.js", SCRIPT),
    asset!("view-job.js", SCRIPT),
    asset!("view-jobs.js", SCRIPT),
    asset!("view-login.js", SCRIPT),
    asset!("view-overview.js", SCRIPT),
    asset!("view-workers.js", SCRIPT),
    asset!("waiting.js", SCRIPT),
];

/// By its name.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}
