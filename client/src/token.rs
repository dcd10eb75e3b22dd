//! Where tokens come from.

use std::{future::Future, pin::Pin};

use dunlin_schema::{Code, Millis};

use crate::error::TokenError;

/// A token that is on its way.
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

/// What a token is asked for with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// A gateway has said that the last token is over: the answer must be a fresh one.
    pub refused: Option<Refusal>,
    /// The gateways' time now, where one of them has told it. Who signs tokens itself goes by it: this machine's clock may be wrong.
    pub server_time: Option<Millis>,
}

/// How a gateway has said that a token is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `token_expired`, or `token_revoked`.
    pub code: Code,
    /// Whether it ended an open connection. Otherwise the token did not open one, which one that is signed a moment later may.
    pub was_open: bool,
}

/// Gives tokens. Asked before each connection.
///
/// A text is a provider that has one token and can't renew it. A closure
/// `Fn(TokenRequest) -> impl Future<Output = Result<String, TokenError>>` is one, too.
pub trait TokenProvider: Send + Sync + 'static {
    /// A token. Errors: [`TokenError::Failed`] is tried again later, [`TokenError::NoMore`] ends the client.
    fn token(&self, request: TokenRequest) -> TokenFuture;
}

impl TokenProvider for String {
    fn token(&self, request: TokenRequest) -> TokenFuture {
        let token = if request.refused.is_some() { Err(TokenError::NoMore) } else { Ok(self.clone()) };
        Box::pin(std::future::ready(token))
    }
}

impl TokenProvider for &'static str {
    fn token(&self, request: TokenRequest) -> TokenFuture {
        self.to_string().token(request)
    }
}

impl<F, T> TokenProvider for F
where
    F: Fn(TokenRequest) -> T + Send + Sync + 'static,
    T: Future<Output = Result<String, TokenError>> + Send + 'static,
{
    fn token(&self, request: TokenRequest) -> TokenFuture {
        Box::pin(self(request))
    }
}
