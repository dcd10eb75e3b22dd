//! Where tokens come from.

use std::{future::Future, pin::Pin};

use crate::error::TokenError;

/// A token that is on its way.
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

/// Gives tokens. Asked before each connection; `refused` is true after a gateway has said that the last one is over
/// (`token_expired`, `token_revoked`): the answer must then be a fresh one.
///
/// A text is a provider that has one token and can't renew it. A closure `Fn(bool) -> impl Future<Output = Result<String, TokenError>>`
/// is one, too.
pub trait TokenProvider: Send + Sync + 'static {
    /// A token. Errors: [`TokenError::Failed`] is tried again later, [`TokenError::NoMore`] ends the client.
    fn token(&self, refused: bool) -> TokenFuture;
}

impl TokenProvider for String {
    fn token(&self, refused: bool) -> TokenFuture {
        let token = if refused { Err(TokenError::NoMore) } else { Ok(self.clone()) };
        Box::pin(std::future::ready(token))
    }
}

impl TokenProvider for &'static str {
    fn token(&self, refused: bool) -> TokenFuture {
        self.to_string().token(refused)
    }
}

impl<F, T> TokenProvider for F
where
    F: Fn(bool) -> T + Send + Sync + 'static,
    T: Future<Output = Result<String, TokenError>> + Send + 'static,
{
    fn token(&self, refused: bool) -> TokenFuture {
        Box::pin(self(refused))
    }
}
