//! Filter expressions: <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>, `filter`.

mod compare;
mod expression;
mod fields;
mod parse;
mod regular;

pub(crate) use expression::Filter;
pub(crate) use fields::Kind;
