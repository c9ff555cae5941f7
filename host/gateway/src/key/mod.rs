//! API keys: their secrets, and the store that knows whom each one lets in.

mod record;
mod secret;
mod store;

pub use record::Key;
pub use secret::{LENGTH as SECRET_LENGTH, is_secret};
pub use store::{KeyError, Keys};

pub(crate) use secret::looks_like_secret;
