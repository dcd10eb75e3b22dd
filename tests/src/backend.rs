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
    /// The body; `null` where it is no JSON.
    pub body: Value,
}

impl Answered {
    /// The code of a refusal, of what was sent or of the request.
    pub fn code(&self) -> Option<&str> {
        self.body["rejected"]["code"].as_str().or(self.body["code"].as_str())
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
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
        let body = answer.text().await.ok()?;
        Some(Answered { status, retry_after, body: serde_json::from_str(&body).unwrap_or_default() })
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// The body of a message.
pub fn message(id: &str, from: Option<&str>, to: &str, text: &str) -> Value {
    let content = json!({ "message": { "text": text } });
    json!({ "id": id, "from": from, "to": to, "content": content })
}
