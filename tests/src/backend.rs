//! A back end as a stranger would write it from the protocol's text: JSON over HTTP, and nothing of Dunlin's own code.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::wait::PATIENCE;

/// A back end with its token.
#[derive(Clone)]
pub struct BackEnd {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// An answer: its status, its `Retry-After`, and its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// In seconds.
    pub retry_after: Option<u64>,
    /// The media type.
    pub kind: String,
    /// The body; `null` where it is no JSON.
    pub body: Value,
}

impl Answered {
    /// The code of a refusal.
    pub fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    /// Panics unless it is what was sent, or a problem document (RFC 9457) that says the same in all its parts.
    pub fn assert_form(&self) {
        let Answered { status, retry_after, kind, body } = self;
        if *status < 400 {
            assert_eq!(kind, "application/json", "{self:?}");
            return;
        }
        assert_eq!(
            (kind.as_str(), body["status"].as_u64()),
            ("application/problem+json", Some((*status).into())),
            "{self:?}"
        );
        assert_eq!(body["type"], format!("/codes/{}", self.code().expect("a code")), "{self:?}");
        for words in ["title", "detail"] {
            assert!(body[words].as_str().is_some_and(|words| !words.is_empty()), "{words}: {self:?}");
        }
        let seconds = body["retry_after"].as_u64().map(|span| span.div_ceil(1_000));
        assert_eq!(seconds, *retry_after, "{self:?}");
        if let Some(rejected) = body["rejected"].as_object() {
            assert_eq!(
                [&rejected["code"], &rejected["message"], &rejected["retry_after"]],
                ["code", "detail", "retry_after"].map(|part| &body[part]),
                "{self:?}"
            );
            assert!(rejected["id"].is_string(), "{self:?}");
        }
    }
}

impl BackEnd {
    /// One that posts to a gateway.
    pub fn new(gateway: SocketAddr, token: String) -> BackEnd {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        BackEnd { http, url: format!("http://{gateway}/v1/messages"), token }
    }

    /// Posts, and gives the answer; `None` where there is none.
    pub async fn post(&self, body: &Value) -> Option<Answered> {
        self.request(body.to_string(), "application/json", &format!("Bearer {}", self.token)).await
    }

    /// Posts the same again, for as long as the answer says so or there is none. Panics when it is refused for good, or not stored in time.
    pub async fn post_until_stored(&self, body: &Value) {
        let begun = Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        loop {
            pause.tick().await;
            match self.post(body).await {
                Some(answer) if answer.status == 200 => return,
                Some(answer) => assert!(answer.status == 503 && answer.retry_after.is_some(), "{answer:?}"),
                None => {}
            }
            assert!(begun.elapsed() < 2 * PATIENCE, "not stored in time: {body}");
        }
    }

    /// A request of this body, kind and authorization; none where that is empty.
    pub async fn request(&self, body: impl Into<reqwest::Body>, kind: &str, authorization: &str) -> Option<Answered> {
        let mut request = self.http.post(&self.url).body(body);
        for (name, value) in [("content-type", kind), ("authorization", authorization)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        answered(request).await
    }

    /// The answer to a GET of this path and authorization; none where that is empty.
    pub async fn get(&self, path: &str, authorization: &str) -> Answered {
        let mut request = self.http.get(self.url.replace("/v1/messages", path));
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        answered(request).await.expect("an answer")
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// The answer to a request, which has the form that it should have; `None` where there is none.
async fn answered(request: reqwest::RequestBuilder) -> Option<Answered> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(|after| after.parse().ok());
    let kind = header("content-type").unwrap_or_default().to_owned();
    let body = answer.text().await.ok()?;
    let answered = Answered { status, retry_after, kind, body: serde_json::from_str(&body).unwrap_or_default() };
    answered.assert_form();
    Some(answered)
}

/// The body of a message.
pub fn message(id: &str, from: Option<&str>, to: &str, text: &str) -> Value {
    let content = json!({ "message": { "text": text } });
    json!({ "id": id, "from": from, "to": to, "content": content })
}
