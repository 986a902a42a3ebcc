//! An answer that is cut off is no answer.
//!
//! The SDK's decoder takes the end of a document for the end of each list in it: half an answer to a list would be
//! taken for all of it, and the pool would give up the workers in the other half. (The connection tells in most cases: but
//! not where something between here and EC2 has counted the bytes anew.)

use aws_sdk_ec2::config::{
    ConfigBag, Intercept, RuntimeComponents, interceptors::AfterDeserializationInterceptorContextRef,
};
use std::error::Error;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// Fails each call whose answer is not one whole XML document.
#[derive(Debug)]
pub(crate) struct WholeAnswer;

impl Intercept for WholeAnswer {
    fn name(&self) -> &'static str {
        "WholeAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        if context.output_or_error().is_err() {
            return Ok(());
        }
        let body = context.response().body().bytes().ok_or("the answer was not read")?;
        Ok(check_whole(std::str::from_utf8(body)?)?)
    }
}

/// Why a document is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWhole {
    #[error("the answer is not XML")]
    NotXml(#[from] xmlparser::Error),
    #[error("the answer ends within an element")]
    CutOff,
    #[error("the answer has an end of an element that did not begin")]
    OutOfOrder,
    #[error("the answer is more than one document, or none")]
    NotOne,
}

/// Checks that a text is one XML document whose elements all end.
fn check_whole(text: &str) -> Result<(), NotWhole> {
    let mut open = Vec::new();
    let mut roots = 0;
    for token in Tokenizer::from(text) {
        match token? {
            Token::ElementStart { prefix, local, .. } => {
                roots += usize::from(open.is_empty());
                open.push((prefix, local));
            }
            Token::ElementEnd { end: ElementEnd::Empty, .. } => {
                open.pop();
            }
            Token::ElementEnd { end: ElementEnd::Close(prefix, local), .. } => match open.pop() {
                Some((p, l)) if p.as_str() == prefix.as_str() && l.as_str() == local.as_str() => {}
                _ => return Err(NotWhole::OutOfOrder),
            },
            _ => {}
        }
    }
    match (open.is_empty(), roots) {
        (true, 1) => Ok(()),
        (false, _) => Err(NotWhole::CutOff),
        (true, _) => Err(NotWhole::NotOne),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><set><item><a>1</a></item><b/></set></R>\n";

    #[test]
    fn a_whole_answer_is_taken_and_no_part_of_it() {
        check_whole(ANSWER).unwrap();
        let whole = ANSWER.trim_end().len();
        for end in 0..whole {
            assert!(check_whole(&ANSWER[..end]).is_err(), "{:?} was taken", &ANSWER[..end]);
        }
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for text in ["", "hello", "<a></b>", "<a/><b/>", "<a><b></a></b>", "{\"a\": 1}", "</a>"] {
            assert!(check_whole(text).is_err(), "{text:?} was taken");
        }
    }
}
