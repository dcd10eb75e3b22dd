//! Which tokens are trusted: the section `[tokens]`. One issuer is written into it as it is, several as `[[tokens.issuers]]`.

use dunlin_schema::Millis;
use serde::Deserialize;

use super::{ConfigError, KeySource};

const MIN_REFRESH: Millis = Millis(100);
/// What it leaves of a name is enough for the hash of a claim.
const PREFIX_BYTES: usize = 16;

/// Which tokens are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Section")]
pub struct Tokens {
    /// Who signs tokens. Where there are several, a token's `iss` chooses.
    pub issuers: Vec<Issuer>,
    /// How often, in milliseconds, key sets are looked at for a rotation: a file's time of change, a URL's content.
    pub refresh: Millis,
}

/// Somebody who signs tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Where the key set (JWKS, RFC 7517) is: a path, or an `https://` or `http://` URL.
    pub keys: KeySource,
    /// What the token's `iss` must be; `None` takes every issuer. One of several has to be named.
    #[serde(default)]
    pub issuer: Option<String>,
    /// One of the token's audiences must be one of these.
    #[serde(default = "default_audience")]
    pub audience: Vec<String>,
    /// The claim that holds the audience.
    #[serde(default = "default_audience_claim")]
    pub audience_claim: String,
    /// The claim that names the user.
    #[serde(default = "default_user_claim")]
    pub user_claim: String,
    /// How a user's name is made of that claim.
    #[serde(default)]
    pub user_map: UserMap,
    /// What this issuer's users' names begin with.
    #[serde(default)]
    pub prefix: String,
}

/// How a user's name is made of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserMap {
    /// The claim is the name.
    #[default]
    Exact,
    /// What no name can hold is escaped, so that every claim has a name, and no two the same.
    Escape,
}

/// The section as it is written: the keys of the only issuer, or a list of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    keys: Option<KeySource>,
    issuer: Option<String>,
    audience: Option<Vec<String>>,
    audience_claim: Option<String>,
    user_claim: Option<String>,
    user_map: Option<UserMap>,
    prefix: Option<String>,
    issuers: Option<Vec<Issuer>>,
    #[serde(default = "default_refresh")]
    refresh: Millis,
}

fn default_audience() -> Vec<String> {
    vec!["dunlin".to_owned()]
}

fn default_audience_claim() -> String {
    "aud".to_owned()
}

fn default_user_claim() -> String {
    "sub".to_owned()
}

fn default_refresh() -> Millis {
    Millis(5_000)
}

impl TryFrom<Section> for Tokens {
    type Error = String;
    fn try_from(section: Section) -> Result<Tokens, String> {
        let Section { keys, issuer, audience, audience_claim, user_claim, user_map, prefix, issuers, refresh } =
            section;
        let of_one = [
            ("keys", keys.is_some()),
            ("issuer", issuer.is_some()),
            ("audience", audience.is_some()),
            ("audience_claim", audience_claim.is_some()),
            ("user_claim", user_claim.is_some()),
            ("user_map", user_map.is_some()),
            ("prefix", prefix.is_some()),
        ];
        let of_one = of_one.iter().find(|(_, is_set)| *is_set);
        let issuers = match (issuers, of_one, keys) {
            (Some(_), Some((key, _)), _) => {
                return Err(format!(
                    "`{key}` belongs to one issuer, and `issuers` lists several: put it into one of them"
                ));
            }
            (Some(issuers), None, _) => issuers,
            (None, _, Some(keys)) => vec![Issuer {
                keys,
                issuer,
                audience: audience.unwrap_or_else(default_audience),
                audience_claim: audience_claim.unwrap_or_else(default_audience_claim),
                user_claim: user_claim.unwrap_or_else(default_user_claim),
                user_map: user_map.unwrap_or_default(),
                prefix: prefix.unwrap_or_default(),
            }],
            (None, _, None) => {
                return Err("`keys` is missing: it says where the key set is, and has no default".to_owned());
            }
        };
        Ok(Tokens { issuers, refresh })
    }
}

impl Issuer {
    /// One with nothing but defaults, whose tokens the key set `keys` signs.
    pub fn new(keys: KeySource) -> Issuer {
        Issuer {
            keys,
            issuer: None,
            audience: default_audience(),
            audience_claim: default_audience_claim(),
            user_claim: default_user_claim(),
            user_map: UserMap::default(),
            prefix: String::new(),
        }
    }
}

impl Tokens {
    /// Those of one issuer with nothing but defaults.
    pub fn new(keys: KeySource) -> Tokens {
        Tokens { issuers: vec![Issuer::new(keys)], refresh: default_refresh() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, why: String| Err(ConfigError { field, why });
        if self.refresh < MIN_REFRESH {
            return wrong("tokens.refresh", format!("it must be at least {} ms", MIN_REFRESH.0));
        }
        if self.issuers.is_empty() {
            return wrong("tokens.issuers", "it lists no issuer, so every token would be refused".to_owned());
        }
        for issuer in &self.issuers {
            check_issuer(issuer)?;
        }
        for (index, issuer) in self.issuers.iter().enumerate() {
            for other in &self.issuers[index + 1..] {
                check_apart(issuer, other)?;
            }
        }
        Ok(())
    }
}

fn check_issuer(issuer: &Issuer) -> Result<(), ConfigError> {
    let wrong = |field, why: &str| Err(ConfigError { field, why: why.to_owned() });
    if issuer.audience.is_empty() || issuer.audience.iter().any(String::is_empty) {
        return wrong("tokens.audience", "it must name the audiences of which a token carries one");
    }
    if issuer.issuer.as_deref() == Some("") {
        return wrong("tokens.issuer", "leave it out, or name the issuer that tokens carry in `iss`");
    }
    if issuer.audience_claim.is_empty() {
        return wrong("tokens.audience_claim", "it must name the claim that holds the audience, such as `aud`");
    }
    if issuer.user_claim.is_empty() {
        return wrong("tokens.user_claim", "it must name the claim that holds the user, such as `sub`");
    }
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if issuer.prefix.len() > PREFIX_BYTES || !issuer.prefix.chars().all(is_of_names) {
        return wrong("tokens.prefix", "it has at most 16 characters, of A-Z a-z 0-9 _ and -");
    }
    Ok(())
}

/// No name may be of either: where neither prefix begins the other, whatever follows them differs already in the prefix.
fn check_apart(one: &Issuer, other: &Issuer) -> Result<(), ConfigError> {
    let wrong = |field, why: String| Err(ConfigError { field, why });
    let (Some(first), Some(second)) = (&one.issuer, &other.issuer) else {
        return wrong(
            "tokens.issuers",
            "of several issuers each needs its `issuer`: a token's `iss` chooses".to_owned(),
        );
    };
    if first == second {
        return wrong("tokens.issuers", format!("the issuer {first:?} is listed twice"));
    }
    if one.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&one.prefix) {
        let prefixes = format!("the prefixes {:?} of {first:?} and {:?} of {second:?}", one.prefix, other.prefix);
        let why = "could begin the same name, and two people would be one: give each issuer a `prefix` with which no other begins";
        return wrong("tokens.issuers", format!("{prefixes} {why}, as in \"a-\" and \"b-\""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(name: &str, prefix: &str) -> Issuer {
        let keys = KeySource::File("keys.json".into());
        Issuer { issuer: Some(name.to_owned()), prefix: prefix.to_owned(), ..Issuer::new(keys) }
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_field() {
        type Spoil = fn(&mut Tokens);
        let cases: [(&str, Spoil); 9] = [
            ("tokens.audience", |t| t.issuers[0].audience.clear()),
            ("tokens.audience", |t| t.issuers[0].audience.push(String::new())),
            ("tokens.issuer", |t| t.issuers[0].issuer = Some(String::new())),
            ("tokens.audience_claim", |t| t.issuers[0].audience_claim.clear()),
            ("tokens.user_claim", |t| t.issuers[0].user_claim.clear()),
            ("tokens.prefix", |t| t.issuers[0].prefix = "a|".to_owned()),
            ("tokens.prefix", |t| t.issuers[0].prefix = "a".repeat(17)),
            ("tokens.refresh", |t| t.refresh = Millis(1)),
            ("tokens.issuers", |t| t.issuers.clear()),
        ];
        let tokens = Tokens::new(KeySource::File("keys.json".into()));
        assert_eq!(tokens.check(), Ok(()));
        for (field, spoil) in cases {
            let mut tokens = tokens.clone();
            spoil(&mut tokens);
            assert_eq!(tokens.check().map_err(|error| error.field), Err(field));
        }
    }

    #[test]
    fn two_issuers_whose_users_could_meet_in_one_name_are_refused() {
        for (one, other, ok) in [
            ("a-", "b-", true),
            ("a", "b", true),
            ("aa", "ab", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("a", "a", false),
            ("", "a", false),
            ("", "", false),
        ] {
            let issuers = vec![issuer("x", "c-"), issuer("https://one", one), issuer("https://other", other)];
            let tokens = Tokens { issuers, refresh: default_refresh() };
            assert_eq!(tokens.check().is_ok(), ok, "{one:?} and {other:?}: {:?}", tokens.check());
        }
        for (one, other) in [(Some("same"), Some("same")), (None, Some("other")), (Some("one"), None), (None, None)] {
            let named = |name: Option<&str>, prefix| Issuer { issuer: name.map(str::to_owned), ..issuer("", prefix) };
            let tokens = Tokens { issuers: vec![named(one, "a-"), named(other, "b-")], refresh: default_refresh() };
            assert_eq!(tokens.check().map_err(|error| error.field), Err("tokens.issuers"), "{one:?} and {other:?}");
        }
    }
}
