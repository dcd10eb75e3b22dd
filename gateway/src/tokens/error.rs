//! Why a token is not to be trusted.

use dunlin_schema::{Code, NameError, limits};

/// Why a token is not to be trusted. No variant carries a part of the token but what can't stand in a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has {0} bytes, at most {max} are read", max = limits::TOKEN_BYTES)]
    TooLong(usize),
    #[error("this is no JWT: three parts in base64url with dots between, of which the first two are JSON objects")]
    Malformed,
    #[error("the token is encrypted (JWE), and only signed ones (JWS) are read")]
    Encrypted,
    #[error("the token's header has `crit`: extensions that have to be understood, and none is here")]
    Critical,
    #[error("the token's algorithm is none that is taken: EdDSA, ES256 or RS256")]
    Unsupported,
    #[error("the key set has no key with the token's `kid`")]
    UnknownKey,
    #[error("the key set has no key with the token's `kid`, and can't be asked for a newer one")]
    NoKeySet,
    #[error("the key set of the token's issuer could not be read yet")]
    NoKeysYet,
    #[error("the token has no `kid`, and the key set has more than one key")]
    NoKeyId,
    #[error("the token's algorithm is not its key's")]
    Algorithm,
    #[error("the signature is not that of the token's key")]
    Signature,
    #[error("the token has no `{0}`")]
    Missing(String),
    #[error("the token's `{0}` is no time: a number of seconds since 1970")]
    NoTime(&'static str),
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token's `{0}` is no text")]
    NoText(String),
    #[error("the token's `{claim}` is no user's name: {why}")]
    User {
        /// The claim that should be one.
        claim: String,
        why: NameError,
    },
    #[error("the token's `dev` is no device's name: {0}")]
    Device(NameError),
    #[error("the token is not valid yet: its `{0}` is more than {skew} s ahead", skew = limits::CLOCK_SKEW.0 / 1_000)]
    NotYet(&'static str),
    #[error("the token is valid for more than {days} days: that is longer than it is remembered what was revoked", days = limits::TOKEN_LIFE.0 / 86_400_000)]
    LivesTooLong,
    #[error("the token's time is over")]
    Expired,
}

impl TokenError {
    /// The code that the client is told.
    pub(crate) fn code(&self) -> Code {
        match self {
            TokenError::Expired => Code::TokenExpired,
            TokenError::NoKeySet | TokenError::NoKeysYet => Code::Unavailable,
            TokenError::TooLong(_)
            | TokenError::Malformed
            | TokenError::Encrypted
            | TokenError::Critical
            | TokenError::Unsupported
            | TokenError::UnknownKey
            | TokenError::NoKeyId
            | TokenError::Algorithm
            | TokenError::Signature
            | TokenError::Missing(_)
            | TokenError::NoTime(_)
            | TokenError::Audience
            | TokenError::Issuer
            | TokenError::NoText(_)
            | TokenError::User { .. }
            | TokenError::Device(_)
            | TokenError::NotYet(_)
            | TokenError::LivesTooLong => Code::Unauthorized,
        }
    }

    /// Whether a newer key set may know the key.
    pub(super) fn is_unknown_key(&self) -> bool {
        matches!(self, TokenError::UnknownKey | TokenError::NoKeyId)
    }
}
