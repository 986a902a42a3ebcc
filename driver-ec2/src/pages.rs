//! Answers that come in pages.

use crate::{Ec2Error, error::unreadable};

/// More pages than any account has things: a server that never ends is an error, not a loop.
const MOST_PAGES: usize = 10_000;

/// What the pages of one call hold together. Who calls fetches each page, until no more is wanted; a failed page fails all.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    call: &'static str,
    all: Vec<T>,
    count: usize,
    /// Of the page that comes next; none before the first.
    token: Option<String>,
    complete: bool,
}

impl<T> Pages<T> {
    /// None yet.
    pub(crate) fn of(call: &'static str) -> Self {
        Self { call, all: Vec::new(), count: 0, token: None, complete: false }
    }

    /// The name of the call.
    pub(crate) fn call(&self) -> &'static str {
        self.call
    }

    /// True until the last page was added.
    pub(crate) fn wants_more(&self) -> bool {
        !self.complete
    }

    /// What the next page must be asked for with.
    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Adds a page, and the token of the one after it.
    ///
    /// # Errors
    /// [`Ec2Error::BadAnswer`] when the pages would not end.
    pub(crate) fn add(
        &mut self,
        page: impl IntoIterator<Item = T>,
        next: Option<String>,
    ) -> Result<(), Ec2Error> {
        self.all.extend(page);
        self.count += 1;
        let next = next.filter(|next| !next.is_empty());
        if next.is_some() && (next == self.token || self.count >= MOST_PAGES) {
            return Err(unreadable(self.call, "the pages do not end"));
        }
        self.complete = next.is_none();
        self.token = next;
        Ok(())
    }

    /// All that was added.
    pub(crate) fn into_all(self) -> Vec<T> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_followed_by_their_tokens_to_the_end() {
        let mut pages = Pages::of("X");
        assert_eq!((pages.wants_more(), pages.token()), (true, None));
        pages.add([1, 2], Some("a".into())).unwrap();
        assert_eq!((pages.wants_more(), pages.token()), (true, Some("a".into())));
        pages.add([], Some("b".into())).unwrap();
        pages.add([3], Some(String::new())).unwrap();
        assert!(!pages.wants_more());
        assert_eq!(pages.into_all(), [1, 2, 3]);
    }

    #[test]
    fn pages_that_do_not_end_are_an_error() {
        let mut pages = Pages::of("X");
        pages.add([1], Some("a".into())).unwrap();
        assert!(pages.add([1], Some("a".into())).is_err());

        let mut pages = Pages::of("X");
        let endless = (0..=MOST_PAGES).try_for_each(|n| pages.add([()], Some(n.to_string())));
        assert!(endless.is_err());
    }
}
