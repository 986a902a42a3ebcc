//! What the page looks like, for people, and what machines can tell of it: nothing sticks out, and the contrast suffices.

use super::browser::{Browser, DESKTOP, Look, PHONE};
use serde_json::json;

/// Contrast of text, by WCAG 2.2, AA; and of large text.
const CONTRAST: [f64; 2] = [4.5, 3.0];

/// Every page, on a desktop and on a phone, light and dark.
pub(super) async fn of_all_pages(browser: &Browser, of: &str, job: u64) {
    browser.open("/#/").await;
    browser.until("document.getElementById('live').textContent === 'live'").await;
    let job = format!("jobs/{job}");
    let pages = [
        (
            "overview",
            "",
            "document.querySelectorAll('.area').length > 0 && document.querySelector('.reasons, .empty')",
        ),
        ("workers", "workers", "document.querySelectorAll('tbody tr').length > 0"),
        ("queue", "queue", "document.querySelectorAll('tbody tr').length > 0"),
        ("jobs", "jobs", "document.querySelectorAll('tbody tr').length > 0"),
        ("hold-offs", "hold-offs", "document.querySelectorAll('tbody tr').length > 0"),
        ("job", &job, "document.querySelector('.history li')"),
        ("instance", "instances/i-00003", "document.querySelector('.facts')"),
        ("nothing", "instances/i-gone", "document.querySelector('.trouble')"),
    ];
    for (name, address, shown) in pages {
        browser.run(&format!("location.hash = '#/{address}'")).await;
        browser.until(shown).await;
        of_what_is_seen(browser, &format!("{of}-{name}")).await;
    }
}

/// What is shown now, on a desktop and on a phone, light and dark.
pub(super) async fn of_what_is_seen(browser: &Browser, name: &str) {
    for (size, of) in [(DESKTOP, "desktop"), (PHONE, "phone")] {
        for look in [Look::Light, Look::Dark] {
            browser.look(size, look).await;
            browser
                .promised(
                    "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
                    Vec::new(),
                )
                .await;
            let wide = browser
                .value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await;
            assert_eq!(wide, json!(0), "{name} on a {of} can be scrolled to the side");
            let weak = browser.promised(WEAK, vec![json!(CONTRAST)]).await;
            assert_eq!(weak, json!([]), "{name} on a {of}, {look:?}: too little contrast");
            browser.screenshot(&format!("{name}-{of}-{look:?}").to_lowercase()).await.unwrap();
        }
    }
    browser.look(DESKTOP, Look::Light).await;
}

/// The texts whose contrast with what is behind them is too weak. Colours are read by painting them.
const WEAK: &str = "(async ([most, large]) => {
    const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const parse = (colour, behind) => {
        context.fillStyle = behind ? `rgb(${behind.join(' ')})` : '#fff';
        context.fillRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => (element
        ? parse(getComputedStyle(element).backgroundColor, behind(element.parentElement)) : [255, 255, 255]);
    const weak = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('.only-read, :disabled, noscript, option')) continue;
        const back = behind(element);
        const style = getComputedStyle(element);
        const front = parse(element.closest('svg') ? style.fill : style.color, back);
        const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        const size = parseFloat(style.fontSize);
        const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? large : most;
        if (contrast < wanted) weak.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.slice(0, 40)}`);
    }
    return weak;
})(arguments[0])";
