//! The client against servers on a network. Over the socket the commands' own tests show it.

mod believing;
pub(crate) mod front;
