//! What back ends ask over HTTP, and what the guide shows them.

use std::process::Command;

use dunlin_tests::{
    backend::{Answered, BackEnd, message},
    device::new_id,
    raw::Raw,
    region::Region,
    tokens::service_claims,
};
use serde_json::{Value, json};

fn shop(region: &Region, gateway: usize) -> BackEnd {
    BackEnd::new(region.gateway(gateway), region.key.sign(&service_claims("shop")))
}

async fn post(back_end: &BackEnd, body: impl Into<reqwest::Body>) -> Answered {
    back_end.request(body, "application/json", &format!("Bearer {}", back_end.token())).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_asks_who_is_there() {
    let region = Region::start(2).await;
    let _bob = region.caught_up(1, "bob", "phone").await;
    let shop = shop(&region, 0);
    let bearer = format!("Bearer {}", shop.token());
    let ask = async |query: &str, authorization: &str| shop.get(&format!("/v1/presence{query}"), authorization).await;
    let answer = ask("?user=bob&user=carol&user=b%6Fb%40local&user=bob@eu&other=x", &bearer).await;
    let person = |state: &str| json!({ "state": state, "last_seen": null });
    let [online, offline, unknown] = ["online", "offline", "unknown"].map(person);
    let users = json!({ "bob": online, "bob@local": online, "bob@eu": unknown, "carol": offline });
    assert_eq!((answer.status, &answer.body["presence"]["users"]), (200, &users), "{answer:?}");

    let named = |count: usize| (0..count).map(|number| format!("user=u{number}")).collect::<Vec<_>>().join("&");
    let person = format!("Bearer {}", region.token("alice"));
    for (query, authorization, status, code) in [
        ("?user=bob".to_owned(), "", 401, "unauthorized"),
        ("?user=bob".to_owned(), "Bearer x.y.z", 401, "unauthorized"),
        ("?user=bob".to_owned(), &person, 403, "forbidden"),
        (String::new(), &bearer, 422, "bad_question"),
        ("?users=bob".to_owned(), &bearer, 422, "bad_question"),
        (format!("?{}", named(201)), &bearer, 422, "bad_question"),
        (format!("?{}", named(200)), &bearer, 200, ""),
        ("?user=".to_owned(), &bearer, 422, "bad_address"),
        ("?user=bob&user=b.b".to_owned(), &bearer, 422, "bad_address"),
        ("?user=%ff".to_owned(), &bearer, 422, "bad_address"),
        ("?user=%23team".to_owned(), &bearer, 422, "unsupported"),
    ] {
        let answer = ask(&query, authorization).await;
        assert_eq!((answer.status, answer.code().unwrap_or_default()), (status, code), "{query:.32}: {answer:?}");
    }
    let request = "POST /v1/presence?user=bob HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n";
    let (_, status, head) = Raw::request(region.gateway(0), request).await;
    assert!(status == 405 && head.to_ascii_lowercase().contains("allow: get,head\r\n"), "{head}");
}

/// What is reported of other systems: ids that are forgotten when another message comes between (synapse 1481), or when the token is a
/// new one (matrix-spec-proposals 699); answers that are lost, and messages that then come twice (chatwoot 15743).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_known_whatever_came_between() {
    let mut region = Region::start(2).await;
    let ids = [new_id(), new_id()];
    let bodies = ids.each_ref().map(|id| message(id, Some("alice"), "bob", id).to_string());
    let mut first = Vec::new();
    for body in &bodies {
        first.push(post(&shop(&region, 0), body.clone()).await);
    }
    assert!(first.iter().all(|answer| answer.status == 200), "{first:?}");
    region.take_gateway(0).stop().await;
    let (_node, again) = region.new_gateway(region.nats.url()).await;
    let other = BackEnd::new(again, region.key.sign(&service_claims("warehouse")));
    for back_end in [&shop(&region, 0), &other] {
        for (body, first) in bodies.iter().zip(&first) {
            assert_eq!(post(back_end, body.clone()).await, *first);
        }
    }
    // An id belongs to whom the message is from and to.
    let elsewhere = post(&other, message(&ids[0], Some("alice"), "carol", "hi").to_string()).await;
    let of_another = post(&other, message(&ids[0], Some("dora"), "bob", "hi").to_string()).await;
    assert_eq!((elsewhere.status, of_another.status), (200, 200), "{elsewhere:?} {of_another:?}");
    let stored = [region.stored("bob").await.len(), region.stored("carol").await.len()];
    assert_eq!(stored, [3, 1]);
}

/// What is reported of other systems: a null character is an error of the server (mattermost 28280), bytes that are no UTF-8 are called an
/// empty message (discord-api-docs 1197), JSON that is none is an error of the server (flightstats/hub 673).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_text_is_stored_as_it_is_or_refused_for_what_it_is() {
    let region = Region::start(1).await;
    let shop = shop(&region, 0);
    let of = |text: &str, id: &str| {
        format!(r#"{{"id":"{id}","from":"alice","to":"bob","content":{{"message":{{"text":{text}}}}}}}"#)
    };
    let mut expected = 0;
    for (text, status, code, words) in [
        (r#""a\u0000b""#, 200, "", ""),
        (r#""\ud83d\ude00""#, 200, "", ""),
        (r#""\ud800""#, 422, "bad_content", "hex escape"),
        ("\"a\u{1}b\"", 400, "bad_frame", "control character"),
        ("nan", 400, "bad_frame", "ident"),
        (r#"[["a"]]"#, 422, "bad_content", "string"),
        (r#""a"},"message":{"text":"b""#, 422, "bad_content", ""),
        (r#""""#, 422, "bad_content", "needs text, data or attachments"),
    ] {
        let answer = post(&shop, of(text, &new_id())).await;
        assert_eq!((answer.status, answer.code().unwrap_or_default()), (status, code), "{text}: {answer:?}");
        assert!(answer.body["detail"].as_str().unwrap_or_default().contains(words), "{text}: {answer:?}");
        expected += usize::from(status == 200);
    }
    let id = new_id();
    let mut no_utf8 = of("\"\"", &id).into_bytes();
    let quote = no_utf8.len() - 4;
    no_utf8.insert(quote, 0xc2);
    let answer = post(&shop, no_utf8).await;
    assert_eq!((answer.status, answer.code()), (422, Some("bad_content")), "{answer:?}");
    assert!(answer.body["detail"].as_str().is_some_and(|words| words.contains("unicode")), "{answer:?}");
    let nested = format!("{}{}", r#"{"id":"x","content":"#, "[".repeat(100_000));
    assert_eq!(post(&shop, nested).await.status, 400);
    assert_eq!(region.stored("bob").await.len(), expected);
}

/// The commands of the guide, and the answer that it shows after each.
fn shown() -> Vec<(String, Value)> {
    let text = include_str!("../../docs/how-to/back-ends.md");
    let mut blocks: Vec<String> = vec![];
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(line) if inside => *blocks.last_mut().expect("a block") += &format!("\n{line}"),
            Some(line) => blocks.push(line.to_owned()),
            None => {}
        }
        inside = line.starts_with("    ");
    }
    let pairs = blocks.windows(2).filter(|pair| pair[0].starts_with("curl "));
    let answer = |text: &str| serde_json::from_str(&text.replace('…', "")).expect("an answer in JSON");
    pairs.map(|pair| (pair[0].clone(), answer(&pair[1]))).collect()
}

/// The names of all fields, however deep.
fn fields(value: &Value) -> Vec<String> {
    let Some(object) = value.as_object() else { return vec![] };
    object.iter().flat_map(|(name, value)| std::iter::once(name.clone()).chain(fields(value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_commands_get_the_answers_that_it_shows() {
    let region = Region::start(1).await;
    let _bob = region.caught_up(0, "bob", "phone").await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut admin = service_claims("root");
    admin["scope"] = json!("admin");
    for (file, claims) in [("shop.token", service_claims("shop")), ("admin.token", admin)] {
        std::fs::write(folder.path().join(file), region.key.sign(&claims)).expect("writing");
    }
    let shown = shown();
    assert_eq!(shown.len(), 3, "{shown:?}");
    for (command, answer) in shown {
        // Of the reader's machine.
        let of_dev = ["http://127.0.0.1:8080", "$(npx -y ulid)"];
        let command =
            command.replace(of_dev[0], &format!("http://{}", region.gateway(0))).replace(of_dev[1], &new_id());
        let command = format!("{command} --silent --show-error");
        let mut bash = Command::new("bash");
        bash.args(["-c", &command]).current_dir(folder.path());
        let output = tokio::task::block_in_place(|| bash.output()).expect("bash and curl");
        let said = String::from_utf8_lossy(&output.stdout);
        let told: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {command}\n{output:?}"));
        assert_eq!(fields(&told), fields(&answer), "{command}");
    }
}
