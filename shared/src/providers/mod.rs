//! Adapters: thin translations from [`crate::ports`] to one provider each.

pub mod notify;
pub mod postgres;
