//! Who may ask: tokens, their roles, and where they are kept.

mod role;
mod token;
mod tokens;

pub(crate) use role::Role;
pub(crate) use token::Digest;
pub(crate) use tokens::{Entry, SOCKET_NAME, Tokens, TokensError, change, create, revoke};
