//! What must be in no log line and in no error, and where it was found all the same.

use base64::Engine as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The shortest secret that is looked for: a shorter one would be found by chance.
const SHORTEST: usize = 8;
/// How many finds are kept. More would not say more.
const MOST_FINDS: usize = 20;
/// How much of a line is shown, in characters.
const SHOWN: usize = 200;

/// The secrets of a run, in the forms that they might take, and where they were found.
#[derive(Default)]
pub(crate) struct Secrets {
    needles: Mutex<Vec<String>>,
    finds: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Looks for this from now on, as it is, in hexadecimal digits and in base64, also inside of a longer text.
    pub(crate) fn add(&self, secret: &str) {
        // Every line of a private key is a secret of its own, and the armour around it is none.
        for line in
            secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST && !line.starts_with("-----"))
        {
            lock(&self.needles).extend(forms(line));
        }
    }

    /// Notes it if a secret is in a text; the text is kept with the secret blotted out.
    pub(crate) fn search(&self, place: &str, text: &str) {
        let mut blotted = None;
        for needle in &*lock(&self.needles) {
            if blotted.as_deref().unwrap_or(text).contains(needle) {
                blotted = Some(blotted.as_deref().unwrap_or(text).replace(needle, "[SECRET]"));
            }
        }
        let Some(blotted) = blotted else { return };
        let mut finds = lock(&self.finds);
        if finds.len() < MOST_FINDS {
            let at = blotted.find("[SECRET]").unwrap_or_default();
            let before = blotted[..at].chars().count();
            let shown: String = blotted.chars().skip(before.saturating_sub(SHOWN / 2)).take(SHOWN).collect();
            finds.push(format!("{place}: {shown}"));
        }
    }

    /// Where secrets were found, the first ones.
    pub(crate) fn finds(&self) -> Vec<String> {
        lock(&self.finds).clone()
    }
}

fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), hex::encode(secret)];
    // In base64, a text looks different after 0, 1 and 2 other bytes; its ends mix with what is around it.
    for before in 0..3 {
        let shifted = format!("{}{secret}", " ".repeat(before));
        let whole = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&shifted);
        let inner = &whole[4 * usize::from(before > 0)..whole.len() - whole.len() % 4];
        if inner.len() >= SHORTEST {
            forms.push(inner.to_owned());
            // As it is in a form of a web request.
            forms.push(inner.replace('+', "%2B").replace('/', "%2F"));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015";

    fn finds_in(text: &str) -> Vec<String> {
        let secrets = Secrets::default();
        secrets.add(SECRET);
        secrets.search("here", text);
        secrets.finds()
    }

    #[test]
    fn a_secret_is_found_and_not_shown() {
        let finds = finds_in(&format!("sent {SECRET} to the provider"));
        assert_eq!(finds, ["here: sent [SECRET] to the provider"]);
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_begins() {
        for before in ["", "x", "xy", "#!/bin/sh\necho "] {
            let script = format!("{before}{SECRET} > secret\n");
            let sent = base64::engine::general_purpose::STANDARD.encode(script);
            assert_eq!(finds_in(&format!("UserData={sent}")).len(), 1, "{before:?}");
        }
    }

    #[test]
    fn a_secret_is_found_in_hexadecimal_digits() {
        assert_eq!(finds_in(&hex::encode(format!("x{SECRET}"))).len(), 1);
    }

    #[test]
    fn the_armour_of_a_key_is_no_secret() {
        let secrets = Secrets::default();
        secrets.add(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----\n",
        );
        secrets.search("here", "-----BEGIN OPENSSH PRIVATE KEY-----");
        assert!(secrets.finds().is_empty());
        secrets.search("here", "the key is b3BlbnNzaC1rZXktdjE");
        assert_eq!(secrets.finds().len(), 1);
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        assert!(finds_in("all is well").is_empty());
    }
}
